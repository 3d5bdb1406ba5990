#include "core/rotate.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "core/catalog_walk.h"
#include "reelfs/base/log.h"
#include "reelfs/model/check_limits.h"

namespace reelfs::core {

namespace {

constexpr std::uint64_t kStepBytes = 8 * limits::MiB;
constexpr int kTries = 8;       // against a file that changes as fast as it is read
constexpr int kIdlePasses = 8;  // that find nothing to move while something is left
constexpr std::chrono::milliseconds kReadersWait{500};

class Rotation {
  public:
    Rotation(Context& context, TreeImpl& tree, Files& files, ContainerId container, Job& job)
        : context_(context), tree_(tree), files_(files), container_(container), job_(job) {}

    Result<RotateReport> run() {
        RF_CHECK(context_.check_writable());
        auto keys = context_.keys.keys_of(container_);
        report_.resumed = keys.size() > 1;
        if (!report_.resumed) {
            RF_CHECK(context_.keys.rotate(container_));
            keys = context_.keys.keys_of(container_);
        }
        if (keys.empty()) return Error(Errc::kCorrupt, "the keyring has no key of this container");
        newest_ = report_.key = keys.back();
        RF_TRY(const std::uint64_t total, bytes_of_container());
        job_.begin("sealing under the new key", total);
        RF_CHECK(seal_all());
        if (unlisted_ > 0)
            report_.problems.push_back(fmt::format("and {} more, which the log names", unlisted_));
        if (!report_.problems.empty()) return report_;  // what those name needs the old key
        RF_CHECK(context_.catalog.sync());
        job_.begin("waiting for readers", 0);
        const std::uint64_t epoch = context_.holds.advance();
        while (!context_.holds.wait_beyond(epoch, kReadersWait)) RF_CHECK(job_.check_cancelled());
        RF_CHECK(context_.keys.keep_newest(container_));
        context_.reader.forget_keys();
        report_.complete = true;
        return report_;
    }

  private:
    Result<std::uint64_t> bytes_of_container() {
        std::uint64_t total = 0;
        RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(const auto packs, r.packs());
            for (const auto& pack : packs)
                if (pack.container == container_)
                    total += static_cast<std::uint64_t>(std::max<std::int64_t>(pack.live_bytes, 0));
            return done();
        }));
        return total;
    }

    /// Until no row names an old key; or what does is damaged, which is reported.
    Result<void> seal_all() {
        std::uint64_t left_before = std::numeric_limits<std::uint64_t>::max();
        for (int idle = 0; idle < kIdlePasses;) {
            // What was being sealed when the new key came is committed after this.
            RF_CHECK(tree_.sync());
            RF_TRY(const bool found, pass());
            RF_TRY(const bool found_shared, pass_over_shared());
            if (found || found_shared) continue;
            if (!report_.problems.empty()) return done();
            // When a copy is made behind a walk over files and the original goes before it, the
            // walk meets neither. Extents do not wander.
            RF_TRY(const std::uint64_t left, left_under_old_keys());
            if (left == 0) return done();
            RF_CHECK(tree_.reap_all());  // removed files have not given back theirs
            idle = left < left_before ? 0 : idle + 1;
            left_before = left;
        }
        return Error(Errc::kBusy,
                     fmt::format("{} extents are still under the old key, which stays: others took "
                                 "them from file to file meanwhile, or are about to give them "
                                 "back; rotate once more",
                                 left_before));
    }

    Result<std::uint64_t> left_under_old_keys() {
        std::uint64_t left = 0;
        RF_CHECK(walk_extents(context_.catalog,
                              [&](const catalog::Reader::PackExtent& row) -> Result<void> {
                                  const ExtentShape& shape = row.extent.shape;
                                  if (shape.container == container_ && shape.key != newest_) ++left;
                                  return job_.check_cancelled();
                              }));
        return left;
    }

    void problem(std::string line) {
        job_.found();
        if (report_.problems.size() < limits::findings_max) {
            report_.problems.push_back(std::move(line));
        } else {
            log::error("rotation: {}", line);
            ++unlisted_;
        }
    }

    /// Over all files; true when one had content of its own under an old key.
    Result<bool> pass() {
        bool found = false;
        RF_CHECK(walk_nodes(context_.catalog, [&](const catalog::NodeRow& row) -> Result<void> {
            RF_CHECK(job_.check_cancelled());
            const Attributes& attributes = row.attributes;
            if (!attributes.is_file() || attributes.container != container_ ||
                damaged_.contains(attributes.node))
                return done();
            RF_TRY(const bool one, reseal_file(attributes.node));
            found = found || one;
            return done();
        }));
        return found;
    }

    Result<bool> reseal_file(NodeId id) {
        bool found = false;
        for (std::uint64_t from = 0;;) {
            std::set<ExtentId> old;
            std::uint64_t bytes = 0;
            bool end = false;
            RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(const auto rows, r.slices(id, from, limits::catalog_step_rows_max));
                std::size_t seen = 0;
                for (const auto& row : rows) {
                    ++seen;
                    from = row.slice.end();
                    if (row.extent.shape.key == newest_ || row.extent.shared) continue;
                    if (old.insert(row.slice.extent).second) bytes += row.extent.location.length;
                    if (bytes >= kStepBytes) break;
                }
                end = seen == rows.size() &&
                      rows.size() < static_cast<std::size_t>(limits::catalog_step_rows_max);
                return done();
            }));
            if (!old.empty()) {
                RF_TRY(const Outcome outcome, reseal(id, old));
                if (outcome == Outcome::kDamaged) return found;
                if (outcome == Outcome::kResealed) {
                    report_.bytes += bytes;
                    report_.extents += old.size();
                }
                found = found || outcome != Outcome::kGone;
                RF_CHECK(job_.advance(bytes));
            }
            if (end) return found;
        }
    }

    /// Over all shared extents; true when one was under an old key.
    Result<bool> pass_over_shared() {
        bool found = false;
        std::map<ExtentId, std::uint64_t> old;  // and how long each is
        const auto reseal_these = [&]() -> Result<void> {
            if (old.empty()) return done();
            RF_TRY(const bool some, reseal_all(old));
            found = found || some;
            old.clear();
            return done();
        };
        RF_CHECK(walk_extents(
            context_.catalog, [&](const catalog::Reader::PackExtent& row) -> Result<void> {
                const ExtentShape& shape = row.extent.shape;
                if (!row.extent.shared || shape.container != container_ || shape.key == newest_ ||
                    damaged_extents_.contains(shape.extent))
                    return done();
                old[shape.extent] = row.extent.location.length;
                return old.size() < limits::reseal_extents_max ? done() : reseal_these();
            }));
        RF_CHECK(reseal_these());
        return found;
    }

    Result<bool> reseal_all(const std::map<ExtentId, std::uint64_t>& old) {
        std::map<ExtentId, std::set<NodeId>> holders;
        RF_CHECK(walk_slices(context_.catalog,
                             [&](const catalog::Reader::NodeSlice& row) -> Result<void> {
                                 // Those beyond the bound are found by the next pass.
                                 if (old.contains(row.slice.extent) &&
                                     holders[row.slice.extent].size() < limits::reseal_files_max)
                                     holders[row.slice.extent].insert(row.node);
                                 return job_.check_cancelled();
                             }));
        bool found = false;
        for (const auto& [extent, nodes] : holders) {
            RF_CHECK(job_.check_cancelled());
            RF_TRY(const Outcome outcome, reseal_shared(extent, nodes));
            if (outcome == Outcome::kResealed) {
                report_.bytes += old.at(extent);
                ++report_.extents;
            }
            found = found || outcome == Outcome::kResealed || outcome == Outcome::kBusy;
            RF_CHECK(job_.advance(old.at(extent)));
        }
        return found;
    }

    enum class Outcome { kResealed, kGone, kBusy, kDamaged };

    Result<Outcome> reseal(NodeId id, const std::set<ExtentId>& extents) {
        for (int tries = 0; tries < kTries; ++tries) {
            auto node = tree_.find_node(id);
            if (!node &&
                (node.error().code() == Errc::kNotFound || node.error().code() == Errc::kStale))
                return Outcome::kGone;
            if (!node) return std::move(node).error();
            auto resealed = files_.reseal(*node, extents);
            if (resealed) return *resealed ? Outcome::kResealed : Outcome::kGone;
            if (resealed.error().code() == Errc::kCorrupt) {
                damaged_.insert(id);
                problem(fmt::format("node {} stays under the old key: {}", id.value(),
                                    resealed.error().message()));
                return Outcome::kDamaged;
            }
            if (resealed.error().code() != Errc::kBusy) return std::move(resealed).error();
        }
        return Outcome::kBusy;  // it changed each time; the next pass sees what is left
    }

    Result<Outcome> reseal_shared(ExtentId extent, const std::set<NodeId>& ids) {
        for (int tries = 0; tries < kTries; ++tries) {
            std::vector<std::shared_ptr<Node>> nodes;
            for (const NodeId id : ids) {
                auto node = tree_.find_node(id);
                if (node)
                    nodes.push_back(std::move(node).value());
                else if (node.error().code() != Errc::kNotFound &&
                         node.error().code() != Errc::kStale)
                    return std::move(node).error();
            }
            auto resealed = files_.reseal_shared(extent, nodes);
            if (resealed) return *resealed ? Outcome::kResealed : Outcome::kGone;
            if (resealed.error().code() == Errc::kCorrupt) {
                damaged_extents_.insert(extent);
                problem(fmt::format(
                    "what node {}{} hold of extent {} stays under the old key: {}",
                    ids.begin()->value(),
                    ids.size() > 1 ? fmt::format(" and {} others", ids.size() - 1) : std::string(),
                    extent.value(), resealed.error().message()));
                return Outcome::kDamaged;
            }
            if (resealed.error().code() != Errc::kBusy) return std::move(resealed).error();
        }
        return Outcome::kBusy;
    }

    Context& context_;
    TreeImpl& tree_;
    Files& files_;
    const ContainerId container_;
    Job& job_;
    KeyId newest_;
    std::set<NodeId> damaged_;
    std::set<ExtentId> damaged_extents_;  // shared ones
    RotateReport report_;
    std::uint64_t unlisted_ = 0;  // problems beyond the bound of the report
};

}  // namespace

Result<RotateReport> rotate_key(Context& context, TreeImpl& tree, Files& files,
                                const std::string& container, Job& job) {
    auto info = tree.container(container);
    if (!info && info.error().code() == Errc::kNotFound)
        return Error(Errc::kNotFound, fmt::format("there is no container \"{}\"", container));
    if (!info) return std::move(info).error();
    return Rotation(context, tree, files, info->container, job).run();
}

}  // namespace reelfs::core
