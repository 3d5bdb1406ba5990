#include "app/export.h"

#include <fmt/format.h>

#include <deque>
#include <map>

#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kPiece = limits::MiB;
/// What of a piece that cannot be read is damaged, reads of this size tell.
constexpr std::size_t kSmallPiece = 4 * limits::KiB;
constexpr std::size_t kListedAtOnce = limits::catalog_step_rows_max;
/// What the store itself says of a file; of no use elsewhere.
constexpr std::string_view kOwnXattrs = "user.reelfs.";

bool is_gone(const Error& error) {
    return error.code() == Errc::kNotFound || error.code() == Errc::kStale;
}

class Exporter {
  public:
    Exporter(core::Tree& tree, ExportSink& sink, core::Job& job)
        : tree_(tree), sink_(sink), job_(job) {}

    Result<ExportReport> run(const std::string& container) {
        RF_TRY(const core::ContainerInfo info, tree_.container(container));
        job_.begin("exporting", 0);
        RF_TRY(const Attributes root, tree_.attributes(info.root));
        RF_TRY(const bool made, take("", root));
        if (!made) return Error(Errc::kNotFound, "the container has been removed meanwhile");
        RF_CHECK(enter(info.root, ""));
        while (!levels_.empty()) RF_CHECK(step());
        RF_CHECK(sink_.finish());
        for (std::string& line : sink_.problems()) report_.problems.push_back(std::move(line));
        return std::move(report_);
    }

  private:
    struct Child {
        std::string name;
        NodeId node;
    };

    /// A folder on the way from the top to where we are: what is in a folder goes out right behind
    /// it, as tar(1) wants it.
    struct Level {
        std::shared_ptr<core::OpenDirectory> directory;
        std::string path;
        std::uint64_t offset = 0;  // where its listing goes on
        std::deque<Child> children;
    };

    Result<void> enter(NodeId folder, const std::string& path) {
        auto opened = tree_.open_directory(folder);
        if (!opened && is_gone(opened.error())) return done();
        if (!opened) return missed(path, opened.error());
        levels_.push_back({*std::move(opened), path, 0, {}});
        return done();
    }

    /// One name of the lowest level, or its end.
    Result<void> step() {
        RF_CHECK(job_.check_cancelled());
        Level& level = levels_.back();
        if (level.children.empty())
            RF_CHECK(tree_.list(
                *level.directory, level.offset, false, [&](const core::Tree::Listed& listed) {
                    level.offset = listed.next_offset;
                    if (listed.name != "." && listed.name != "..")
                        level.children.push_back({std::string(listed.name), listed.node});
                    return level.children.size() < kListedAtOnce;
                }));
        if (level.children.empty()) {
            levels_.pop_back();
            return done();
        }
        const Child child = std::move(level.children.front());
        level.children.pop_front();
        const std::string path = level.path.empty() ? child.name : level.path + "/" + child.name;
        const auto attributes = tree_.attributes(child.node);
        if (!attributes && is_gone(attributes.error())) return done();
        if (!attributes) return missed(path, attributes.error());
        RF_TRY(const bool made, take(path, *attributes));
        return made && attributes->is_directory() ? enter(child.node, path) : done();
    }

    /// False when it did not go out: it has been removed, or the reason is told.
    Result<bool> take(const std::string& path, const Attributes& attributes) {
        Exported entry{.path = path,
                       .attributes = attributes,
                       .xattrs = {},
                       .target = {},
                       .link_to = {},
                       .runs = {}};
        const bool named_often = !attributes.is_directory() && attributes.links > 1;
        if (auto first = linked_.find(attributes.node); named_often && first != linked_.end()) {
            entry.link_to = first->second;
            return put(entry);
        }
        RF_TRY(const bool made, take_first(entry));
        // Only now: what is not there under its first name is no place to link to.
        if (made && named_often) linked_.emplace(attributes.node, path);
        return made;
    }

    Result<bool> take_first(Exported& entry) {
        const NodeId node = entry.attributes.node;
        if (auto had = read_xattrs(node, entry.xattrs); !had) {
            if (is_gone(had.error())) return false;
            RF_CHECK(missed(entry.path, had.error()));
        }
        if (entry.attributes.is_file()) return take_file(entry);
        if (entry.attributes.type == NodeType::kSymlink) {
            auto target = tree_.read_link(node);
            if (!target) return not_taken(entry.path, target.error());
            entry.target = *std::move(target);
        }
        return put(entry);
    }

    /// What has no content.
    Result<bool> put(const Exported& entry) {
        RF_TRY(const bool made, sink_.begin(entry));
        if (!made) return false;
        ++report_.entries;
        RF_CHECK(sink_.end());
        return true;
    }

    Result<void> read_xattrs(NodeId node, Xattrs& xattrs) {
        RF_TRY(const auto names, tree_.list_xattrs(node));
        for (const std::string& name : names) {
            if (name.starts_with(kOwnXattrs)) continue;
            auto value = tree_.get_xattr(node, name);
            if (!value && value.error().code() == Errc::kNoAttribute) continue;
            if (!value) return std::move(value).error();
            xattrs.emplace_back(name, *std::move(value));
        }
        return done();
    }

    Result<bool> take_file(Exported& entry) {
        auto opened = tree_.open(entry.attributes.node, {.read = true});
        if (!opened) return not_taken(entry.path, opened.error());
        auto taken = take_content(entry, **opened);
        tree_.release(*std::move(opened));
        return taken;
    }

    Result<bool> take_content(Exported& entry, core::OpenFile& file) {
        if (auto found = find_runs(entry, file); !found)
            return not_taken(entry.path, found.error());
        RF_TRY(const bool made, sink_.begin(entry));
        if (!made) return false;
        ++report_.entries;
        Buffer buffer(kPiece);
        Unread unread;
        for (const auto& [from, length] : entry.runs) {
            for (std::uint64_t at = from; at < from + length;) {
                const MutableBytes piece = buffer.span().first(
                    static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, from + length - at)));
                RF_CHECK(read(entry, file, at, piece, unread));
                RF_CHECK(sink_.data(at, piece));
                at += piece.size();
                report_.bytes += piece.size();
                RF_CHECK(job_.advance(piece.size()));
            }
        }
        RF_CHECK(tell(entry, unread));
        if (unread.cut)
            RF_CHECK(missed(entry.path, Error(Errc::kIo, "it became shorter meanwhile")));
        RF_CHECK(sink_.end());
        return true;
    }

    /// As it is now: it may have changed since its folder was listed, and may be cut meanwhile.
    Result<void> find_runs(Exported& entry, core::OpenFile& file) {
        RF_TRY(entry.attributes, tree_.attributes(entry.attributes.node));
        const std::uint64_t size = entry.attributes.size;
        auto& runs = entry.runs;
        for (std::uint64_t at = 0; at < size;) {
            auto data = tree_.seek(file, core::SeekTo::kData, at);
            auto hole = data ? tree_.seek(file, core::SeekTo::kHole, *data) : data;
            if (!hole && hole.error().code() == Errc::kNoData) break;
            if (!hole) return std::move(hole).error();
            const std::uint64_t from = *data / kRunUnit * kRunUnit;
            if (from >= size) break;
            at = std::min((*hole + kRunUnit - 1) / kRunUnit * kRunUnit, size);
            if (!runs.empty() && runs.back().first + runs.back().second == from)
                runs.back().second += at - from;
            else if (at > from)  // not what has become a hole meanwhile
                runs.emplace_back(from, at - from);
        }
        RF_TRY(const Attributes after, tree_.attributes(entry.attributes.node));
        if (after.size >= size) return done();
        entry.attributes = after;
        while (!runs.empty() && runs.back().first >= after.size) runs.pop_back();
        if (!runs.empty())
            runs.back().second = std::min(runs.back().second, after.size - runs.back().first);
        return done();
    }

    /// What of a file could not be read: the last stretch, which is not told yet.
    struct Unread {
        std::uint64_t from = 0, end = 0;
        std::string why;
        bool cut = false;  // it became shorter than was promised
    };

    /// The sink was promised these bytes: what cannot be read becomes zeros, and is told.
    Result<void> read(const Exported& entry, core::OpenFile& file, std::uint64_t at,
                      MutableBytes piece, Unread& unread) {
        if (auto got = tree_.read(file, at, piece); got && *got == piece.size()) return done();
        while (!piece.empty()) {
            const MutableBytes small =
                piece.first(std::min<std::size_t>(kSmallPiece - at % kSmallPiece, piece.size()));
            auto got = tree_.read(file, at, small);
            const std::size_t held = got ? *got : 0;
            std::fill(small.begin() + static_cast<std::ptrdiff_t>(held), small.end(), std::byte{});
            if (got) {
                unread.cut = unread.cut || held < small.size();
            } else {
                if (unread.end != at) {
                    RF_CHECK(tell(entry, unread));
                    unread.from = at;
                }
                unread.end = at + small.size();
                unread.why = got.error().message();
            }
            at += small.size();
            piece = piece.subspan(small.size());
        }
        return done();
    }

    Result<void> tell(const Exported& entry, const Unread& unread) {
        if (unread.end == unread.from) return done();
        return problem(fmt::format("{}: bytes {} to {} cannot be read, and came out as zeros: {}",
                                   entry.path, unread.from, unread.end - 1, unread.why));
    }

    Result<bool> not_taken(const std::string& path, const Error& error) {
        if (!is_gone(error)) RF_CHECK(missed(path, error));
        return false;
    }
    Result<void> missed(const std::string& path, const Error& error) {
        return problem(fmt::format("{}: not exported as it is: {}", path, error.message()));
    }
    /// Told, and gone on from.
    Result<void> problem(std::string line) {
        job_.found();
        if (report_.problems.size() < limits::findings_max)
            report_.problems.push_back(std::move(line));
        return done();
    }

    core::Tree& tree_;
    ExportSink& sink_;
    core::Job& job_;
    ExportReport report_;
    std::vector<Level> levels_;
    std::map<NodeId, std::string> linked_;
};

}  // namespace

Result<ExportReport> export_container(core::Tree& tree, const std::string& container,
                                      ExportSink& sink, core::Job& job) {
    return Exporter(tree, sink, job).run(container);
}

}  // namespace reelfs::app
