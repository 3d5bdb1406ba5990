// What the crash simulation does to a tree, and what must be left of it: steps over two names, and
// a model of the tree after each. On some grounds the second name is under a transient rule.
//
// A power cut must leave one of the states between the last promise and the step in flight. What
// was appended and never promised may be missing from the end of a file, down to its `floor`;
// nothing else may differ. What has expired by then counts as gone, whether or not it has been
// taken away.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/bytes.h"
#include "reelfs/base/clock.h"

namespace reelfs::test {

enum class Kind {
    kCreate,       // an empty file
    kAppend,       // more than fits a row of the catalog
    kAppendSmall,  // fits a row of the catalog
    kOverwrite,    // bytes inside
    kFillHole,     // where the first file has a hole
    kTruncate,     // to fewer bytes
    kExtend,       // to more, by a hole
    kRename,       // to the other name, over what is there
    kLink,         // the other name as well
    kUnlink,
    kClone,        // all bytes into the other name, by copy_range
    kPut,          // an upload replaces it
    kStream,       // a STREAMING one does, seen by readers while it grows
    kStreamFails,  // so is this one, and another in a folder made for it; both are given up
    kPass,         // the time until what is under the rule has expired
    kExpire,       // and what has expired is taken away
    kFsync,        // a promise
    kSyncFolder,   // a promise of names, and of nothing else
    kRestart,      // a clean stop, and a start
};
inline constexpr std::array kEveryKind{
    Kind::kCreate,   Kind::kAppend, Kind::kAppendSmall, Kind::kOverwrite,   Kind::kFillHole,
    Kind::kTruncate, Kind::kExtend, Kind::kRename,      Kind::kLink,        Kind::kUnlink,
    Kind::kClone,    Kind::kPut,    Kind::kStream,      Kind::kStreamFails, Kind::kPass,
    Kind::kExpire,   Kind::kFsync,  Kind::kSyncFolder,  Kind::kRestart};

struct Step {
    Kind kind;
    int name = 0;  // of kNames
    bool operator==(const Step&) const = default;
};
inline const std::array<std::string, 2> kNames{"a", "b"};

/// Of a container: none, or one by which the second name's files go kExpiresAfterMs after they got
/// it.
enum class Rule { kNone, kTransient };
inline constexpr std::int64_t kExpiresAfterMs = 100'000;
/// How much time a step takes: so little that nothing expires, or so much that all under the rule
/// does.
std::int64_t duration_ms(const Step& step);

using Sequence = std::vector<Step>;
std::string text_of(const Step& step);
std::string text_of(const Sequence& sequence);
/// Every step there is: each kind for each name; once where the name says nothing.
std::vector<Step> every_step();

inline constexpr std::uint64_t kAppendBytes = 20'000, kAppendSmallBytes = 3'000;
inline constexpr std::uint64_t kOverwriteAt = 6'000, kOverwriteBytes = 9'000;
inline constexpr std::uint64_t kHoleAt = 24'576, kHoleBytes = 16'384;
inline constexpr std::uint64_t kFillAt = 26'000, kFillBytes = 9'000;
inline constexpr std::uint64_t kTruncateTo = 10'000, kExtendBy = 9'000;

struct FileState {
    std::vector<std::byte> bytes;
    std::uint64_t floor = 0;  // a cut leaves no fewer bytes
    std::int64_t modified_ns = 0;
    std::optional<std::int64_t> expires_ns;
    bool operator==(const FileState&) const = default;
};

struct TreeState {
    Rule rule = Rule::kNone;
    std::map<std::string, int> names;  // to a key of `files`
    std::map<int, FileState> files;
    int next_file = 1;

    FileState* file(int name);
    int links(int file) const;
    bool has_transient() const;
    void drop_unnamed();
};

/// The bytes that step number `number` writes: never zero, and of no other step.
std::vector<std::byte> bytes_of_step(std::size_t number, std::uint64_t count);

/// Whether the step can be done in this state (otherwise it fails and changes nothing).
bool is_possible(const TreeState& state, const Step& step);
/// The state that a possible step leads to, before it has returned; `floor` as far as the step's
/// own order of writes to the disk decides it.
TreeState after(const TreeState& state, const Step& step, std::size_t number, std::int64_t now_ns);
/// What is still there at `now_ns`.
TreeState visible_at(const TreeState& state, std::int64_t now_ns);
/// The step has returned: what it promises by that. True when every name is promised with it.
bool promise(TreeState& state, const Step& step);

/// The first file's bytes before any step: a hole in the middle.
std::vector<std::byte> first_bytes();

}  // namespace reelfs::test
