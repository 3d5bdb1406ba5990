#include "core/backup_manifest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>

namespace reelfs::core {

namespace {

constexpr std::string_view kFirstLine = "reelfs-backup ";
constexpr std::uint64_t kVersion = 1;

Error damaged(std::string_view what) {
    return {Errc::kCorrupt, fmt::format("the backup's list of its parts is damaged: {}", what)};
}

/// Words of one line, taken from the left.
class Line {
  public:
    explicit Line(std::string_view text) : left_(text) {}
    std::string_view word() {
        const std::size_t end = std::min(left_.find(' '), left_.size());
        const std::string_view found = left_.substr(0, end);
        left_.remove_prefix(std::min(end + 1, left_.size()));
        return found;
    }
    std::optional<std::uint64_t> number(int base = 10) {
        const std::string_view text = word();
        std::uint64_t value = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
        if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
            return std::nullopt;
        return value;
    }
    std::optional<std::array<std::byte, 16>> id() {
        const auto bytes = from_hex(word());
        if (!bytes || bytes->size() != 16) return std::nullopt;
        std::array<std::byte, 16> id;
        std::copy(bytes->begin(), bytes->end(), id.begin());
        return id;
    }
    bool ended() const { return left_.empty(); }

  private:
    std::string_view left_;
};

bool read_file_line(Line& line, CopiedFile& file) {
    const auto bytes = line.number(), sum = line.number(16);
    if (!bytes || !sum) return false;
    file = {*bytes, *sum};
    return true;
}

bool read_pack_line(Line& line, BackupManifest& manifest) {
    const auto id = line.id();
    const auto from = line.number(), bytes = line.number(), sum = line.number(16);
    if (!id || !from || !bytes || !sum) return false;
    auto& parts = manifest.packs[PackId{*id}];
    if (*from != length_of(parts)) return false;
    if (*bytes != 0) parts.push_back({*from, *bytes, *sum});
    return true;
}

bool read_line(std::string_view text, BackupManifest& manifest) {
    Line line(text);
    const std::string_view name = line.word();
    bool good = false;
    if (name == "store") {
        if (const auto id = line.id()) manifest.store.bytes = *id, good = true;
    } else if (name == "generation") {
        if (const auto number = line.number()) manifest.generation = *number, good = true;
    } else if (name == "taken") {
        if (const auto number = line.number())
            manifest.taken.ns = static_cast<std::int64_t>(*number), good = true;
    } else if (name == "keyring") {
        good = read_file_line(line, manifest.keyring);
    } else if (name == "database") {
        good = read_file_line(line, manifest.database);
    } else if (name == "log") {
        good = read_file_line(line, manifest.log);
    } else if (name == "pack") {
        good = read_pack_line(line, manifest);
    } else if (name == "unread") {
        const auto id = line.id();
        const auto bytes = line.number();
        if (id && bytes) manifest.unread[PackId{*id}] = *bytes, good = true;
    }
    return good && line.ended();
}

}  // namespace

std::uint64_t length_of(const std::vector<CopiedPart>& parts) {
    return parts.empty() ? 0 : parts.back().from + parts.back().bytes;
}

std::string encode(const BackupManifest& manifest) {
    std::string text =
        fmt::format("{}{}\nstore {}\ngeneration {}\ntaken {}\n", kFirstLine, kVersion,
                    manifest.store.hex(), manifest.generation, manifest.taken.ns);
    const auto add_file = [&](const char* name, const CopiedFile& file) {
        text += fmt::format("{} {} {:016x}\n", name, file.bytes, file.sum);
    };
    add_file("keyring", manifest.keyring);
    add_file("database", manifest.database);
    add_file("log", manifest.log);
    for (const auto& [pack, parts] : manifest.packs) {
        if (parts.empty()) text += fmt::format("pack {} 0 0 {:016x}\n", pack.hex(), 0);
        for (const CopiedPart& part : parts)
            text +=
                fmt::format("pack {} {} {} {:016x}\n", pack.hex(), part.from, part.bytes, part.sum);
    }
    for (const auto& [pack, bytes] : manifest.unread)
        text += fmt::format("unread {} {}\n", pack.hex(), bytes);
    return text + fmt::format("end {:016x}\n", XXH3_64bits(text.data(), text.size()));
}

Result<BackupManifest> decode_manifest(std::string_view text) {
    if (!text.starts_with(kFirstLine)) return damaged("it does not begin as one");
    const std::size_t end = text.rfind("end ");
    if (end == std::string_view::npos) return damaged("its end is missing");
    Line last(text.substr(end, text.size() - end - (text.ends_with('\n') ? 1 : 0)));
    last.word();
    const auto sum = last.number(16);
    if (!sum || *sum != XXH3_64bits(text.data(), end)) return damaged("its sum is another");
    std::string_view left = text.substr(0, end);
    BackupManifest manifest;
    for (bool first = true; !left.empty(); first = false) {
        const std::size_t length = std::min(left.find('\n'), left.size());
        const std::string_view line = left.substr(0, length);
        left.remove_prefix(std::min(length + 1, left.size()));
        if (first) {
            Line version(line.substr(kFirstLine.size()));
            const auto number = version.number();
            if (!number) return damaged("it has no version");
            if (*number > kVersion)
                return Error(Errc::kNewerFormat, "this backup was made by a newer reelfs");
            continue;
        }
        if (!read_line(line, manifest)) return damaged(line);
    }
    return manifest;
}

}  // namespace reelfs::core
