#include "app/prompt.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "reelfs/base/fd.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kAnswerBytesMax = 4096;

/// Turns echo off for its lifetime; a signal that stops us is held back until it is on again.
class Silence {
  public:
    explicit Silence(int terminal) : terminal_(terminal) {
        known_ = ::tcgetattr(terminal_, &before_) == 0;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        if (known_) ::tcsetattr(terminal_, TCSAFLUSH, &quiet);
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;
    ~Silence() {
        if (known_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
    }

  private:
    const int terminal_;
    bool known_ = false;
    termios before_{};
};

void say(int terminal, const std::string& text) {
    [[maybe_unused]] ssize_t n = ::write(terminal, text.data(), text.size());
}

constexpr char kInterrupt = '\x03';

}  // namespace

bool has_terminal() {
    if (::isatty(STDIN_FILENO) == 0) return false;
    Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    return static_cast<bool>(terminal);
}

Result<std::string> ask_passphrase(const std::string& question) {
    Fd terminal(has_terminal() ? ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1);
    if (!terminal)
        return Error(Errc::kInvalid,
                     "there is no terminal to ask for a passphrase; use --passphrase-file");
    std::string answer;
    {
        Silence silence(terminal.get());
        say(terminal.get(), question);
        char c = 0;
        while (answer.size() < kAnswerBytesMax) {
            ssize_t n = ::read(terminal.get(), &c, 1);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0 || c == '\n') break;
            if (c == kInterrupt) {
                say(terminal.get(), "\n");
                return Error(Errc::kCancelled, "stopped by Ctrl-C; nothing was changed");
            }
            answer += c;
        }
        say(terminal.get(), "\n");
    }
    if (answer.empty()) return Error(Errc::kInvalid, "no passphrase was typed");
    return answer;
}

Result<std::string> ask_new_passphrase() {
    RF_TRY(std::string once, ask_passphrase("New passphrase: "));
    RF_TRY(std::string again, ask_passphrase("The same again: "));
    if (once != again)
        return Error(Errc::kInvalid, "the two passphrases differ; nothing was changed");
    return once;
}

}  // namespace reelfs::app
