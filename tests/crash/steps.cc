#include "crash/steps.h"

#include <fmt/format.h>

#include <algorithm>

namespace reelfs::test {

namespace {

std::string_view name_of(Kind kind) {
    switch (kind) {
        case Kind::kCreate:
            return "create";
        case Kind::kAppend:
            return "append";
        case Kind::kAppendSmall:
            return "append-small";
        case Kind::kOverwrite:
            return "overwrite";
        case Kind::kFillHole:
            return "fill-hole";
        case Kind::kTruncate:
            return "truncate";
        case Kind::kExtend:
            return "extend";
        case Kind::kRename:
            return "rename";
        case Kind::kLink:
            return "link";
        case Kind::kUnlink:
            return "unlink";
        case Kind::kClone:
            return "clone";
        case Kind::kPut:
            return "put";
        case Kind::kStream:
            return "stream";
        case Kind::kStreamFails:
            return "stream-fails";
        case Kind::kPass:
            return "pass";
        case Kind::kExpire:
            return "expire";
        case Kind::kFsync:
            return "fsync";
        case Kind::kSyncFolder:
            return "sync-folder";
        case Kind::kRestart:
            return "restart";
    }
    return "?";
}

bool has_name(Kind kind) {
    return kind != Kind::kSyncFolder && kind != Kind::kRestart && kind != Kind::kPass &&
           kind != Kind::kExpire;
}

void write(FileState& file, std::uint64_t offset, const std::vector<std::byte>& bytes) {
    if (file.bytes.size() < offset + bytes.size()) file.bytes.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), file.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

void resize(FileState& file, std::uint64_t size) {
    file.bytes.resize(size);
    file.floor = std::min(file.floor, size);
}

}  // namespace

std::string text_of(const Step& step) {
    if (!has_name(step.kind)) return std::string(name_of(step.kind));
    return fmt::format("{} {}", name_of(step.kind), kNames[static_cast<std::size_t>(step.name)]);
}

std::string text_of(const Sequence& sequence) {
    std::string text;
    for (const Step& step : sequence) text += (text.empty() ? "" : ", ") + text_of(step);
    return text;
}

std::vector<Step> every_step() {
    std::vector<Step> steps;
    for (Kind kind : kEveryKind)
        for (int name = 0; name < (has_name(kind) ? 2 : 1); ++name) steps.push_back({kind, name});
    return steps;
}

FileState* TreeState::file(int name) {
    auto found = names.find(kNames[static_cast<std::size_t>(name)]);
    return found == names.end() ? nullptr : &files.at(found->second);
}

int TreeState::links(int file) const {
    return static_cast<int>(std::count_if(names.begin(), names.end(),
                                          [&](const auto& entry) { return entry.second == file; }));
}

bool TreeState::has_transient() const {
    return std::any_of(files.begin(), files.end(),
                       [](const auto& entry) { return entry.second.expires_ns.has_value(); });
}

void TreeState::drop_unnamed() {
    std::erase_if(files, [&](const auto& entry) { return links(entry.first) == 0; });
}

std::int64_t duration_ms(const Step& step) {
    return step.kind == Kind::kPass || step.kind == Kind::kExpire ? kExpiresAfterMs : 1'000;
}

std::vector<std::byte> bytes_of_step(std::size_t number, std::uint64_t count) {
    std::vector<std::byte> bytes(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t mixed = (i / 7 + number * 0x9E3779B9u) * 0xD1B54A32D192ED03u;
        bytes[i] = static_cast<std::byte>((mixed >> 56) | 1);
    }
    return bytes;
}

std::vector<std::byte> first_bytes() {
    auto bytes = bytes_of_step(1'000, 50'000);
    std::fill_n(bytes.begin() + kHoleAt, kHoleBytes, std::byte{0});
    return bytes;
}

bool is_possible(const TreeState& state, const Step& step) {
    const auto own = state.names.find(kNames[static_cast<std::size_t>(step.name)]);
    const auto other = state.names.find(kNames[static_cast<std::size_t>(1 - step.name)]);
    const bool here = own != state.names.end(), there = other != state.names.end();
    const auto size = [&] { return state.files.at(own->second).bytes.size(); };
    switch (step.kind) {
        case Kind::kCreate:
            return !here;
        case Kind::kOverwrite:
            return here && size() >= kOverwriteAt + kOverwriteBytes;
        case Kind::kTruncate:
            return here && size() > kTruncateTo;
        case Kind::kLink:
            return here && !there && !state.files.at(own->second).expires_ns;
        case Kind::kClone:
            return here && size() > 0 && (!there || own->second != other->second);
        case Kind::kPass:
        case Kind::kExpire:
            return state.has_transient();
        case Kind::kPut:
        case Kind::kStream:
        case Kind::kStreamFails:
        case Kind::kSyncFolder:
        case Kind::kRestart:
            return true;
        default:
            return here;
    }
}

TreeState after(const TreeState& state, const Step& step, std::size_t number, std::int64_t now_ns) {
    TreeState next = state;
    const std::string& own = kNames[static_cast<std::size_t>(step.name)];
    const std::string& other = kNames[static_cast<std::size_t>(1 - step.name)];
    FileState* file = next.file(step.name);
    const auto instant_of = [&](const std::string& name) -> std::optional<std::int64_t> {
        if (state.rule == Rule::kNone || name != kNames[1]) return {};
        return now_ns + kExpiresAfterMs * 1'000'000;
    };
    const auto make = [&](const std::string& name) -> FileState& {
        next.names[name] = next.next_file;
        FileState& made = next.files[next.next_file++];
        made.modified_ns = now_ns;
        made.expires_ns = instant_of(name);
        return made;
    };
    switch (step.kind) {
        case Kind::kCreate:
            make(own);
            break;
        case Kind::kAppend:
            write(*file, file->bytes.size(), bytes_of_step(number, kAppendBytes));
            file->modified_ns = now_ns;
            break;
        case Kind::kAppendSmall:
            write(*file, file->bytes.size(), bytes_of_step(number, kAppendSmallBytes));
            file->modified_ns = now_ns;
            break;
        case Kind::kOverwrite:
            write(*file, kOverwriteAt, bytes_of_step(number, kOverwriteBytes));
            file->modified_ns = now_ns;
            break;
        case Kind::kFillHole:
            write(*file, kFillAt, bytes_of_step(number, kFillBytes));
            file->modified_ns = now_ns;
            break;
        case Kind::kTruncate:
            resize(*file, kTruncateTo);
            file->modified_ns = now_ns;
            break;
        case Kind::kExtend:
            resize(*file, file->bytes.size() + kExtendBy);
            file->modified_ns = now_ns;
            break;
        case Kind::kRename: {
            const int moved = next.names.at(own);
            if (next.names.contains(other) && next.names.at(other) == moved)
                break;  // POSIX: nothing
            if (next.names.contains(other)) file->floor = file->bytes.size();
            next.names.erase(own);
            next.names[other] = moved;
            file->expires_ns = instant_of(other);
            break;
        }
        case Kind::kLink:
            next.names[other] = next.names.at(own);
            break;
        case Kind::kUnlink:
            next.names.erase(own);
            break;
        case Kind::kClone: {
            const std::vector<std::byte> bytes = file->bytes;
            if (!next.names.contains(other)) make(other);
            FileState& target = next.files.at(next.names.at(other));
            write(target, 0, bytes);
            target.floor = std::max<std::uint64_t>(target.floor, bytes.size());
            target.modified_ns = now_ns;
            break;
        }
        case Kind::kPut:
        case Kind::kStream: {
            FileState& made = make(own);
            made.bytes = bytes_of_step(number, kAppendBytes);
            made.floor = made.bytes.size();
            break;
        }
        case Kind::kPass:
        case Kind::kExpire:
            return visible_at(next, now_ns);
        case Kind::kStreamFails:
        case Kind::kFsync:
        case Kind::kSyncFolder:
        case Kind::kRestart:
            break;
    }
    next.drop_unnamed();
    return next;
}

TreeState visible_at(const TreeState& state, std::int64_t now_ns) {
    TreeState left = state;
    std::erase_if(left.names, [&](const auto& entry) {
        const FileState& file = left.files.at(entry.second);
        return file.expires_ns && *file.expires_ns <= now_ns;
    });
    left.drop_unnamed();
    return left;
}

bool promise(TreeState& state, const Step& step) {
    if (step.kind == Kind::kFsync)
        state.file(step.name)->floor = state.file(step.name)->bytes.size();
    if (step.kind == Kind::kRestart || step.kind == Kind::kStreamFails)  // which syncs everything
        for (auto& [id, file] : state.files) file.floor = file.bytes.size();
    return step.kind == Kind::kFsync || step.kind == Kind::kSyncFolder || step.kind == Kind::kPut ||
           step.kind == Kind::kStream || step.kind == Kind::kStreamFails ||
           step.kind == Kind::kRestart;
}

}  // namespace reelfs::test
