#include "app/export.h"

#include <fmt/format.h>

#include <deque>
#include <map>

#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::app {

namespace {

constexpr std::size_t kPiece = limits::MiB;
constexpr std::size_t kListedAtOnce = limits::catalog_step_rows_max;
/// What the store itself says of a file; of no use elsewhere.
constexpr std::string_view kOwnXattrs = "user.reelfs.";

class Exporter {
  public:
    Exporter(core::Tree& tree, ExportSink& sink, core::Job& job)
        : tree_(tree), sink_(sink), job_(job) {}

    Result<ExportReport> run(const std::string& container) {
        RF_TRY(const core::ContainerInfo info, tree_.container(container));
        job_.begin("exporting", 0);
        RF_TRY(const Attributes root, tree_.attributes(info.root));
        RF_CHECK(take("", root));
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
        if (!attributes && (attributes.error().code() == Errc::kNotFound ||
                            attributes.error().code() == Errc::kStale))
            return done();  // removed meanwhile
        if (!attributes) return missed(path, attributes.error());
        RF_CHECK(take(path, *attributes));
        return attributes->is_directory() ? enter(child.node, path) : done();
    }

    Result<void> take(const std::string& path, const Attributes& attributes) {
        Exported entry{.path = path,
                       .attributes = attributes,
                       .xattrs = {},
                       .target = {},
                       .link_to = {},
                       .runs = {}};
        if (!attributes.is_directory() && attributes.links > 1) {
            auto [first, fresh] = linked_.try_emplace(attributes.node, path);
            if (!fresh) entry.link_to = first->second;
        }
        ++report_.entries;
        if (!entry.link_to.empty()) {
            RF_CHECK(sink_.begin(entry));
            return sink_.end();
        }
        if (auto read = read_xattrs(attributes.node, entry.xattrs); !read)
            RF_CHECK(missed(path, read.error()));
        if (attributes.type == NodeType::kSymlink) {
            RF_TRY(entry.target, tree_.read_link(attributes.node));
        }
        if (attributes.is_file()) return take_file(std::move(entry));
        RF_CHECK(sink_.begin(entry));
        return sink_.end();
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

    Result<void> take_file(Exported entry) {
        auto opened = tree_.open(entry.attributes.node, {.read = true});
        if (!opened) return missed(entry.path, opened.error());
        auto taken = take_content(entry, **opened);
        tree_.release(*std::move(opened));
        return taken;
    }

    Result<void> take_content(Exported& entry, core::OpenFile& file) {
        const std::uint64_t size = entry.attributes.size;
        for (std::uint64_t at = 0; at < size;) {
            auto data = tree_.seek(file, core::SeekTo::kData, at);
            if (!data && data.error().code() == Errc::kNoData) break;
            if (!data) return missed(entry.path, data.error());
            const std::uint64_t from = *data / kRunUnit * kRunUnit;
            if (from >= size) break;
            RF_TRY(const std::uint64_t hole, tree_.seek(file, core::SeekTo::kHole, *data));
            at = std::min((hole + kRunUnit - 1) / kRunUnit * kRunUnit, size);
            auto& runs = entry.runs;
            if (!runs.empty() && runs.back().first + runs.back().second == from)
                runs.back().second += at - from;
            else
                runs.emplace_back(from, at - from);
        }
        RF_CHECK(sink_.begin(entry));
        Buffer buffer(kPiece);
        bool damaged = false;
        for (const auto& [from, length] : entry.runs) {
            for (std::uint64_t at = from; at < from + length;) {
                const MutableBytes piece = buffer.span().first(
                    static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, from + length - at)));
                auto got = tree_.read(file, at, piece);
                if (!got || *got < piece.size()) {
                    // The sink was promised these bytes; what the reader gets is told as a problem.
                    std::fill(piece.begin() + static_cast<std::ptrdiff_t>(got ? *got : 0),
                              piece.end(), std::byte{});
                    if (!damaged)
                        RF_CHECK(
                            missed(entry.path, got ? Error(Errc::kIo, "it became shorter meanwhile")
                                                   : std::move(got).error()));
                    damaged = true;
                }
                RF_CHECK(sink_.data(at, piece));
                at += piece.size();
                report_.bytes += piece.size();
                RF_CHECK(job_.advance(piece.size()));
            }
        }
        return sink_.end();
    }

    /// Told, and gone on from.
    Result<void> missed(const std::string& path, const Error& error) {
        job_.found();
        if (report_.problems.size() < limits::findings_max)
            report_.problems.push_back(
                fmt::format("{}: not exported as it is: {}", path, error.message()));
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
