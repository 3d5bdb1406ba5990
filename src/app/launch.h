// Becoming a daemon, such that whoever typed the command learns how it went.
//
//     parent --fork--> child (setsid, log, work)
//       |                |
//       |<-- messages ---|      one line of JSON each: {"say":"..."} {"warn":"..."}
//       |<-- outcome ----|      {"exit":0} once the tree is usable, or the code of the failure
//       exits            goes on serving
//
// A Launch is the child's end. In the foreground there is no parent: messages go straight out, and
// readiness is told to systemd (NOTIFY_SOCKET) when it asked for that.
#pragma once

#include <functional>
#include <string>

#include "app/exit_code.h"
#include "reelfs/base/fd.h"
#include "reelfs/base/result.h"

namespace reelfs::app {

class Launch {
  public:
    /// For the foreground.
    Launch() = default;

    /// To the stdout, or stderr, of the person who started us.
    void say(const std::string& line);
    void warn(const std::string& line);
    /// The daemon is usable: lets the parent go. False when the parent is gone already (Ctrl-C
    /// while waiting): then the person did not get what they asked for, and we stop.
    [[nodiscard]] bool ready();
    /// The daemon will not come up; the message reaches the person.
    Exit failed(const Error& error);

  private:
    friend Exit launch_daemon(const std::string& log_path,
                              const std::function<Exit(Launch&)>& work);
    explicit Launch(Fd to_parent) : to_parent_(std::move(to_parent)) {}
    bool tell(const std::string& line);
    Fd to_parent_;
};

/// Forks; in the child runs `work` with stdin from /dev/null and stdout and stderr appended to
/// `log_path` (or left alone when they are systemd's journal), then exits. In the parent passes
/// messages on and returns the outcome. Call before any thread is made.
Exit launch_daemon(const std::string& log_path, const std::function<Exit(Launch&)>& work);

/// Points stdout and stderr at this log; atomic for threads that are writing.
Result<void> redirect_output(const Fd& log);

/// True when stderr is connected to systemd's journal.
bool logs_to_journal();

/// Tells a service manager that asked for it ("READY=1", "STOPPING=1"); else nothing.
void notify_service_manager(const std::string& state);

}  // namespace reelfs::app
