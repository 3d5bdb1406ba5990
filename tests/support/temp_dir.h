// A directory of its own for one test, under $TMPDIR or /tmp, removed with all it holds when the
// object goes, however the test ended.
#pragma once

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

namespace reelfs::test {

class TempDir {
  public:
    TempDir() {
        const char* parent = ::getenv("TMPDIR");
        std::string path = parent != nullptr && *parent == '/' ? parent : "/tmp";
        path += "/reelfs-test-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) {
            std::perror(path.c_str());
            std::abort();
        }
        path_ = path;
    }
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::string& path() const { return path_; }
    /// The path of a name inside.
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace reelfs::test
