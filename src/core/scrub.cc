#include "core/scrub.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "core/catalog_walk.h"
#include "core/verify.h"
#include "reelfs/base/log.h"
#include "reelfs/model/check_limits.h"

namespace reelfs::core {

namespace {

using PackExtent = catalog::Reader::PackExtent;

constexpr const char* kPositionSetting = "scrub";  // five numbers, and extents to look at again
constexpr const char* kFindingsSetting = "scrub_findings";  // lines
constexpr std::uint64_t kRememberBytes = 64 * limits::MiB;

class Scrub {
  public:
    Scrub(Context& context, const ScrubOptions& options, Job& job)
        : context_(context), options_(options), job_(job) {}

    Result<ScrubReport> run() {
        report_.started = context_.clock.now();
        if (options_.resumable && !options_.from_start) RF_CHECK(recall());
        RF_TRY(const std::uint64_t total, live_bytes());
        job_.begin("verifying content", std::max(total, report_.bytes), report_.bytes);
        auto walked = look_again();
        if (walked) walked = walk();
        // Names take walks over everything, too, which whoever cancels does not wait for.
        if (walked) walked = name_damage();
        if (!walked && walked.error().code() != Errc::kCancelled) return std::move(walked).error();
        report_.complete = walked.ok();
        remember();
        tell_without_names();
        return std::move(report_);
    }

  private:
    Result<std::uint64_t> live_bytes() {
        std::uint64_t total = 0;
        RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(const auto packs, r.packs());
            for (const auto& pack : packs)
                total += static_cast<std::uint64_t>(std::max<std::int64_t>(pack.live_bytes, 0));
            return done();
        }));
        return total;
    }

    /// What the last one had found, and had not named when it was stopped.
    Result<void> look_again() {
        while (!again_.empty()) {
            RF_CHECK(job_.check_cancelled());
            RF_CHECK(look_at(*again_.begin()));
            again_.erase(again_.begin());
        }
        return done();
    }

    Result<void> walk() {
        while (true) {
            std::vector<PackExtent> step;
            RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(step, r.extents_after(position_, limits::catalog_step_rows_max));
                return done();
            }));
            if (step.empty()) return done();
            for (const PackExtent& found : step) {
                RF_CHECK(job_.check_cancelled());
                RF_CHECK(look_at(found.extent.shape.extent));
                position_ = found.extent.shape.extent;
                ++report_.extents;
                report_.bytes += found.extent.location.length;
                unremembered_ += found.extent.location.length;
                RF_CHECK(job_.advance(found.extent.location.length));
                if (unremembered_ >= kRememberBytes) remember();
            }
        }
    }

    /// While the hold stands, nothing that its row names is given back to the disk.
    Result<void> look_at(ExtentId id) {
        Holds::Hold hold(context_.holds);
        std::optional<PackExtent> now;
        RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(auto row, r.extents_after(ExtentId(id.value() - 1), 1));
            if (!row.empty() && row.front().extent.shape.extent == id) now = row.front();
            return done();
        }));
        if (!now) return done();  // deleted meanwhile
        auto verdict = verify(context_, now->extent);
        if (!verdict && verdict.error().code() != Errc::kCorrupt) return std::move(verdict).error();
        if (!verdict) {
            if (!row_makes_sense(now->extent)) {
                add(*now, 0, now->extent.shape.plain_bytes, verdict.error().message());
                return done();
            }
            // Its key is gone: none of it can be read.
            const std::uint32_t blocks =
                (now->extent.shape.plain_bytes >> now->extent.shape.block_shift) + 1;
            Verdict none;
            none.blocks.push_back({0, blocks});
            none.read_error = verdict.error().message();
            if (now->node == NodeId{} || now->extent.shared) return ask_later(*now, none);
            RF_TRY(const auto slices, slices_of(*now));
            tell(*now, none, slices);
            return done();
        }
        if (verdict->good()) return done();
        if (now->node == NodeId{} || now->extent.shared) return ask_later(*now, *verdict);
        RF_TRY(const auto slices, slices_of(*now));
        tell(*now, *verdict, slices);
        return done();
    }

    /// What of an owner's slices is damaged.
    void tell(const PackExtent& found, const Verdict& verdict, const std::vector<Slice>& slices) {
        const auto held = held_part(found.extent, verdict.blocks, slices);
        const std::string why = verdict.read_error.empty() ? "not authentic" : verdict.read_error;
        for (const Slice& slice : held) add(found, slice.file_offset, slice.length, why);
        if (held.empty() && !verdict.header.empty()) add(found, 0, 0, verdict.header);
    }

    /// Who has a shared extent, or one in the catalog itself, only a walk over all slices tells:
    /// one for all that were found. Blocks that nobody has any more are no reason for one.
    Result<void> ask_later(const PackExtent& found, const Verdict& verdict) {
        bool held = !found.extent.shared || !verdict.header.empty();
        for (const BlockRun& run : verdict.blocks) {
            if (held) break;
            RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(const auto counted,
                       r.shares(found.extent.shape.extent, run.first, run.first + run.count));
                held = std::any_of(counted.begin(), counted.end(), [&](const RefRun& refs) {
                    return refs.first.value() < run.first + run.count && refs.end() > run.first;
                });
                return done();
            }));
        }
        if (!held) return done();
        ownerless_.emplace(found.extent.shape.extent, std::pair(found, verdict));
        return ownerless_.size() < limits::findings_max ? done() : find_owners();
    }

    Result<void> find_owners() {
        if (ownerless_.empty()) return done();
        std::map<std::pair<ExtentId, NodeId>, std::vector<Slice>> owners;
        RF_CHECK(walk_slices(context_.catalog,
                             [&](const catalog::Reader::NodeSlice& row) -> Result<void> {
                                 RF_CHECK(job_.check_cancelled());
                                 if (ownerless_.contains(row.slice.extent))
                                     owners[{row.slice.extent, row.node}].push_back(row.slice);
                                 return done();
                             }));
        for (const auto& [owner, slices] : owners) {
            auto& [found, verdict] = ownerless_.at(owner.first);
            found.node = owner.second;
            tell(found, verdict, slices);
        }
        ownerless_.clear();
        return done();
    }

    /// The slices that name this extent, which stands in a pack and is not shared: its row names
    /// its owner.
    Result<std::vector<Slice>> slices_of(const PackExtent& found) {
        std::vector<Slice> slices;
        const std::uint64_t reach = found.extent.shape.plain_bytes;
        for (std::uint64_t from = found.file_offset - std::min(found.file_offset, reach);;) {
            std::size_t count = 0;
            bool beyond = false;
            RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
                RF_TRY(const auto rows, r.slices(found.node, from, limits::catalog_step_rows_max));
                count = rows.size();
                for (const auto& row : rows) {
                    if (row.slice.extent == found.extent.shape.extent) slices.push_back(row.slice);
                    beyond = row.slice.file_offset > found.file_offset + reach;
                    from = row.slice.end();
                }
                return done();
            }));
            if (beyond || count < static_cast<std::size_t>(limits::catalog_step_rows_max))
                return slices;
        }
    }

    void add(const PackExtent& found, std::uint64_t offset, std::uint64_t length,
             std::string what) {
        Damage damage{.container = found.extent.shape.container,
                      .node = found.node,
                      .extent = found.extent.shape.extent,
                      .offset = offset,
                      .length = length,
                      .path = {},
                      .what = std::move(what)};
        if (found.extent.location.pack)
            damage.what += fmt::format(", pack {} at {}", found.extent.location.pack->hex(),
                                       found.extent.location.offset);
        // Without its name, which belongs in no log.
        log::error("scrub: {}", describe(damage));
        ++report_.damaged;
        job_.found();
        if (unnamed_.size() + report_.lines.size() < limits::findings_max)
            unnamed_.push_back(std::move(damage));
    }

    Result<void> name_damage() {
        RF_CHECK(find_owners());
        if (unnamed_.empty()) return done();
        std::set<NodeId> nodes;
        for (const Damage& damage : unnamed_) nodes.insert(damage.node);
        nodes.erase(NodeId{});
        RF_TRY(const auto paths,
               context_.catalog.paths_of(nodes, [this] { return job_.check_cancelled(); }));
        for (Damage& damage : unnamed_) {
            if (auto path = paths.find(damage.node); path != paths.end())
                damage.path = path->second;
            report_.lines.push_back(describe(damage));
        }
        unnamed_.clear();
        return done();
    }

    /// What there was no time to name: by number. The next scrub looks at it again.
    void tell_without_names() {
        for (const Damage& damage : unnamed_) report_.lines.push_back(describe(damage));
        for (const auto& [extent, found] : ownerless_) {
            std::string line = fmt::format(
                "container {}: extent {}, which files share or the catalog holds, is "
                "damaged; a scrub that is not stopped tells whose it is",
                found.first.extent.shape.container.value(), extent.value());
            log::error("scrub: {}", line);
            ++report_.damaged;
            if (report_.lines.size() < limits::findings_max)
                report_.lines.push_back(std::move(line));
        }
    }

    Result<void> recall() {
        std::optional<std::string> position, findings;
        RF_CHECK(context_.catalog.read([&](catalog::Reader& r) -> Result<void> {
            RF_TRY(position, r.setting(kPositionSetting));
            RF_TRY(findings, r.setting(kFindingsSetting));
            return done();
        }));
        if (!position || position->empty()) return done();
        std::uint64_t numbers[5]{};
        const char* at = position->data();
        const char* const end = at + position->size();
        for (std::uint64_t& number : numbers) {
            const auto parsed = std::from_chars(at, end, number);
            if (parsed.ec != std::errc{})
                return Error(Errc::kCorrupt,
                             "what was remembered of the last scrub makes no "
                             "sense; begin a new one with --restart");
            at = parsed.ptr == end ? end : parsed.ptr + 1;
        }
        while (at != end) {
            std::uint64_t extent = 0;
            const auto parsed = std::from_chars(at, end, extent);
            if (parsed.ec != std::errc{} || extent == 0) break;
            again_.insert(ExtentId(extent));
            at = parsed.ptr == end ? end : parsed.ptr + 1;
        }
        position_ = ExtentId(numbers[0]);
        report_.extents = numbers[1];
        report_.bytes = numbers[2];
        report_.damaged = numbers[3];
        report_.started = Timestamp{static_cast<std::int64_t>(numbers[4])};
        report_.resumed = true;
        std::string_view left = findings ? std::string_view(*findings) : std::string_view();
        while (!left.empty()) {
            const std::size_t line = std::min(left.find('\n'), left.size());
            report_.lines.emplace_back(left.substr(0, line));
            left.remove_prefix(std::min(line + 1, left.size()));
        }
        return done();
    }

    /// How far it is, with the damage that has a name; the rest is to be looked at again. That it
    /// cannot be remembered, as on a full disk, is no reason not to look.
    void remember() {
        if (!options_.resumable || !context_.check_writable()) return;
        unremembered_ = 0;
        std::string position, findings;
        if (!report_.complete) {
            std::set<ExtentId> again = again_;
            for (const Damage& damage : unnamed_) again.insert(damage.extent);
            for (const auto& [extent, found] : ownerless_) again.insert(extent);
            again.erase(again.upper_bound(position_), again.end());  // those are still to come
            position =
                fmt::format("{} {} {} {} {}", position_.value(), report_.extents, report_.bytes,
                            report_.damaged - unnamed_.size(), report_.started.ns);
            for (const ExtentId extent : again) position += fmt::format(" {}", extent.value());
            findings = fmt::format("{}", fmt::join(report_.lines, "\n"));
        }
        auto remembered = context_.catalog.write([&](catalog::Writer& w) -> Result<void> {
            RF_CHECK(w.set_setting(kPositionSetting, position));
            return w.set_setting(kFindingsSetting, findings);
        });
        if (!remembered)
            log::warning("scrub: where it is cannot be remembered, and it goes on: {}",
                         remembered.error().message());
    }

    Context& context_;
    const ScrubOptions options_;
    Job& job_;
    ScrubReport report_;
    ExtentId position_;
    std::uint64_t unremembered_ = 0;
    std::set<ExtentId> again_;  // found damaged by the one before, to be named
    std::vector<Damage> unnamed_;
    std::map<ExtentId, std::pair<PackExtent, Verdict>> ownerless_;  // damaged
};

}  // namespace

std::string describe(const Damage& damage) {
    const std::string where =
        damage.path.empty()
            ? fmt::format("container {}, node {}", damage.container.value(), damage.node.value())
            : damage.path;
    if (damage.length == 0)
        return fmt::format("{}: its content is whole, but a header is damaged (extent {}: {})",
                           where, damage.extent.value(), damage.what);
    return fmt::format("{}: bytes {} to {} are damaged (node {}, extent {}: {})", where,
                       damage.offset, damage.offset + damage.length - 1, damage.node.value(),
                       damage.extent.value(), damage.what);
}

Result<ScrubReport> scrub(Context& context, const ScrubOptions& options, Job& job) {
    return Scrub(context, options, job).run();
}

}  // namespace reelfs::core
