#include "reelfs/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace reelfs::log {

namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%e%z %l %v";

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = spdlog::stderr_logger_mt("reelfs");
        made->set_pattern(kPattern);
        made->flush_on(spdlog::level::info);
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
    switch (level) {
        case Level::kDebug:
            return spdlog::level::debug;
        case Level::kInfo:
            return spdlog::level::info;
        case Level::kWarning:
            return spdlog::level::warn;
        case Level::kError:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

}  // namespace

void set_level(Level level) {
    logger().set_level(spdlog_level(level));
}

bool to_file(std::string_view path) {
    try {
        auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(std::string(path));
        sink->set_pattern(kPattern);
        logger().sinks() = {sink};
        return true;
    } catch (const spdlog::spdlog_ex&) {
        return false;
    }
}

void write(Level level, std::string_view line) {
    logger().log(spdlog_level(level), line);
}

}  // namespace reelfs::log
