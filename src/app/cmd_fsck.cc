// `reelfs fsck STORE`: the store is checked by this process, which holds its lock meanwhile. The
// exit status is fsck(8)'s, not that of the other commands.
#include <fmt/format.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/privileges.h"
#include "app/progress.h"
#include "app/store_access.h"
#include "app/text.h"
#include "reelfs/core/check.h"
#include "reelfs/core/rebuild.h"

namespace reelfs::app {

namespace {

/// fsck(8): a sum of what applies.
enum FsckStatus {
    kClean = 0,
    kRepaired = 1,
    kLeft = 4,
    kOperational = 8,
    kUsage = 16,
    kCancelled = 32
};

Exit fail_fsck(const Error& error) {
    fmt::print(stderr, "reelfs fsck: {}\n", error.message());
    switch (error.code()) {
        case Errc::kInvalid:
            return static_cast<Exit>(kUsage);
        case Errc::kCancelled:
            return static_cast<Exit>(kCancelled);
        case Errc::kCorrupt:
            return static_cast<Exit>(kLeft);
        default:
            return static_cast<Exit>(kOperational);
    }
}

Json to_json(const core::Finding& finding) {
    return {{"text", finding.text},
            {"level", finding.level == core::Finding::Level::kNote ? "note" : "damage"},
            {"repairable", finding.repairable},
            {"repaired", finding.repaired}};
}

void print_for_people(const core::CheckReport& report, bool repair) {
    std::size_t damaged = 0, repaired = 0, repairable = 0;
    for (const core::Finding& finding : report.findings) {
        if (finding.level == core::Finding::Level::kNote) {
            fmt::print("note: {}\n", finding.text);
            continue;
        }
        ++damaged;
        repaired += finding.repaired ? 1 : 0;
        repairable += finding.repairable ? 1 : 0;
        fmt::print("{}: {}\n", finding.repaired ? "repaired" : "DAMAGE", finding.text);
    }
    fmt::print("{} extents in {} packs, {} of content verified: ", report.extents, report.packs,
               format_size(report.content_bytes));
    if (damaged == 0) {
        fmt::print("clean\n");
    } else if (repair) {
        fmt::print("{} findings, {} repaired, {} left\n", damaged, repaired, damaged - repaired);
    } else {
        fmt::print("{} findings; nothing was changed\n", damaged);
        if (repairable != 0)
            fmt::print("{} of them can be repaired: reelfs fsck --repair\n", repairable);
    }
}

Exit status_of(const core::CheckReport& report) {
    int status = kClean;
    for (const core::Finding& finding : report.findings)
        if (finding.repaired) status |= kRepaired;
    if (report.damage_is_left()) status |= kLeft;
    return static_cast<Exit>(status);
}

Exit rebuild(Machine& machine, const StoreName& store, const core::CheckOptions& options,
             bool json) {
    core::Job job;
    core::RebuildReport report;
    auto rebuilt = run_shown(job, json, [&]() -> Result<void> {
        RF_TRY(report, core::rebuild_catalog(machine.environment(), options, job));
        return done();
    });
    if (!rebuilt) return fail_fsck(rebuilt.error());
    if (json) {
        fmt::print("{}\n", dump_json({{"store", store.path},
                                      {"id", store.id.hex()},
                                      {"containers", report.containers},
                                      {"files", report.files},
                                      {"bytes", report.bytes},
                                      {"damaged_bytes", report.damaged_bytes},
                                      {"extents", report.extents},
                                      {"unreadable", report.unreadable},
                                      {"set_aside", report.set_aside}},
                                     2));
        return static_cast<Exit>(kRepaired);
    }
    if (!report.set_aside.empty())
        fmt::print("the catalog as it was found is in {}\n", report.set_aside);
    fmt::print(
        "rebuilt: {} files with {} in {} containers, each file named after its id\n"
        "{} of it is damaged, and cannot be read; {} extents in the packs told nothing\n"
        "What cannot come back: names, folders, owners, modes, times, attributes, links, users "
        "and\n"
        "tokens, and files of a few KiB, which were in the catalog itself. What was deleted or\n"
        "overwritten lately may have come back. Compare with a backup before you rely on it.\n",
        report.files, format_size(report.bytes), report.containers,
        format_size(report.damaged_bytes), report.unreadable);
    return static_cast<Exit>(kRepaired);
}

}  // namespace

Exit run_fsck(Machine& machine, const FsckArguments& arguments) {
    auto store = find_store(machine, arguments.store);
    if (!store) return fail_fsck(store.error());
    auto unlock = find_unlock(machine, current_person(), store->id, arguments.keys, {store->path});
    if (!unlock) return fail_fsck(unlock.error());
    // The key may be one that only root can read; the store's files are its owner's.
    auto owner = owner_of(store->path);
    if (!owner) return fail_fsck(owner.error());
    auto acting = ActingAs::start(*owner);
    if (!acting) return fail_fsck(acting.error());
    // Nobody may write while it is looked at; a short command is waited for, a daemon is not.
    auto lock = StoreLock::acquire(store->path, kShortCommandWaitMs);
    if (!lock) return fail_fsck(lock.error());
    const core::CheckOptions options{.directory = store->path,
                                     .unlock = *std::move(unlock),
                                     .repair = arguments.repair,
                                     .content = !arguments.no_content,
                                     .owner_uid = ::geteuid(),
                                     .owner_gid = ::getegid()};
    if (arguments.rebuild) return rebuild(machine, *store, options, arguments.json);
    core::Job job;
    core::CheckReport report;
    auto checked = run_shown(job, arguments.json, [&]() -> Result<void> {
        RF_TRY(report, core::check_store(machine.environment(), options, job));
        return done();
    });
    if (!checked) return fail_fsck(checked.error());
    if (arguments.json) {
        Json findings = Json::array();
        for (const core::Finding& finding : report.findings) findings.push_back(to_json(finding));
        fmt::print("{}\n", dump_json({{"store", store->path},
                                      {"id", store->id.hex()},
                                      {"clean", report.clean()},
                                      {"extents", report.extents},
                                      {"packs", report.packs},
                                      {"content_bytes", report.content_bytes},
                                      {"findings", std::move(findings)}},
                                     2));
    } else {
        print_for_people(report, arguments.repair);
    }
    return status_of(report);
}

}  // namespace reelfs::app
