// One line an event, to stderr (which a service manager sends to its journal). Never a key or a
// secret, and names of files only at debug level. Global on purpose: the one thing every layer must
// reach when it fails.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace reelfs::log {

enum class Level { kDebug, kInfo, kWarning, kError };

/// Call once at start; lines below `level` are dropped. Thread-safe afterwards.
void set_level(Level level);
/// Appends lines to this file instead of stderr. False when it cannot be opened.
bool to_file(std::string_view path);
void write(Level level, std::string_view line);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace reelfs::log
