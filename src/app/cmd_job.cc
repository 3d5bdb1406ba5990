// `reelfs scrub`, `reelfs backup`, `reelfs restore` and `reelfs job`: long work, and how it is
// going.
#include <fmt/format.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/job_client.h"
#include "app/paths.h"
#include "app/privileges.h"
#include "app/progress.h"
#include "app/store_owner.h"
#include "app/text.h"
#include "reelfs/core/backup.h"
#include "reelfs/core/keyless.h"

namespace reelfs::app {

namespace {

void print_lines(const Json& result, const char* member, const char* heading = "DAMAGE") {
    for (const Json& line : result.value(member, Json::array()))
        if (line.is_string()) fmt::print("{}: {}\n", heading, line.get<std::string>());
}

void print_scrub(const Json& result) {
    print_lines(result, "lines");
    const std::uint64_t damaged = number_member(result, "damaged", 0);
    const std::string size = format_size(number_member(result, "bytes", 0));
    if (!flag_member(result, "complete"))
        fmt::print("stopped after {}; the next scrub goes on from there\n", size);
    else if (damaged == 0)
        fmt::print("{} verified: good\n", size);
    else
        fmt::print("{} verified: {} {} damaged\n", size, damaged,
                   damaged == 1 ? "place is" : "places are");
}

void print_backup(const Json& result) {
    print_lines(result, "problems");
    print_lines(result, "notes", "note");
    fmt::print("backup {} is complete and verified: {} packs, {}; copied now: {} packs, {}\n",
               number_member(result, "generation", 0), number_member(result, "packs", 0),
               format_size(number_member(result, "bytes", 0)),
               number_member(result, "packs_copied", 0),
               format_size(number_member(result, "bytes_copied", 0)));
}

Exit status_of(const Json& result) {
    if (number_member(result, "damaged", 0) != 0) return Exit::kDamaged;
    if (!result.value("problems", Json::array()).empty()) return Exit::kDamaged;
    return Exit::kOk;
}

}  // namespace

namespace {

Result<core::KeylessReport> scrub_keyless(Machine& machine, const StoreName& store,
                                          const ScrubArguments& arguments, std::uint64_t rate) {
    RF_TRY(const Identity owner, owner_of(store.path));
    RF_TRY(auto acting, ActingAs::start(owner));
    // What is being written would be taken for damage.
    RF_TRY(const StoreLock lock, StoreLock::acquire(store.path, kShortCommandWaitMs));
    std::vector<std::string> zones{store.path};
    for (const std::string& zone : arguments.zones) {
        RF_TRY(std::string real, real_path(zone));
        zones.push_back(std::move(real));
    }
    core::Job job(rate);
    core::KeylessReport report;
    RF_CHECK(run_shown(job, arguments.store.json, [&]() -> Result<void> {
        RF_TRY(report, core::scrub_without_keys(machine.environment(), zones, job));
        return done();
    }));
    return report;
}

Exit run_keyless(Machine& machine, const StoreName& store, const ScrubArguments& arguments,
                 std::uint64_t rate) {
    auto report = scrub_keyless(machine, store, arguments, rate);
    if (!report) return fail(report.error());
    if (arguments.store.json) {
        fmt::print("{}\n", dump_json({{"packs", report->packs},
                                      {"extents", report->extents},
                                      {"bytes", report->bytes},
                                      {"unchecked", report->unchecked},
                                      {"damaged", report->damaged},
                                      {"lines", report->lines}},
                                     2));
    } else {
        for (const std::string& line : report->lines) fmt::print("DAMAGE: {}\n", line);
        fmt::print("{} in {} extents and {} packs by checksum: {}", format_size(report->bytes),
                   report->extents, report->packs,
                   report->damaged == 0 ? "good\n" : fmt::format("{} damaged\n", report->damaged));
        if (report->unchecked != 0)
            fmt::print("{} extents that are partly freed can be verified with a key only\n",
                       report->unchecked);
    }
    return report->damaged == 0 ? Exit::kOk : Exit::kDamaged;
}

}  // namespace

Exit run_scrub(Machine& machine, const ScrubArguments& arguments) {
    auto store = find_store(machine, arguments.store.store);
    if (!store) return fail(store.error());
    request::JobStart wanted{.name = "scrub", .restart = arguments.restart};
    if (!arguments.rate.empty()) {
        auto rate = parse_size(arguments.rate);
        if (!rate) return fail(rate.error());
        wanted.rate = *rate;
    }
    if (arguments.keyless) return run_keyless(machine, *store, arguments, wanted.rate);
    auto result = run_job(machine, *store, arguments.store.keys, wanted, arguments.store.json);
    if (!result) return fail(result.error());
    if (arguments.store.json)
        fmt::print("{}\n", dump_json(*result, 2));
    else
        print_scrub(*result);
    return status_of(*result);
}

Exit run_backup(Machine& machine, const BackupArguments& arguments) {
    auto store = find_store(machine, arguments.store.store);
    if (!store) return fail(store.error());
    auto directory = real_path(arguments.directory);
    if (!directory) return fail(directory.error());
    if (is_inside(*directory, store->path) || is_inside(store->path, *directory))
        return fail({Errc::kInvalid, fmt::format("{} and the store lie in each other; a backup "
                                                 "belongs on another disk",
                                                 *directory)});
    const auto made = prepare_for_owner_of(store->path, *directory);
    if (!made) return fail(made.error());
    request::JobStart wanted{.name = "backup", .directory = *directory};
    auto result = run_job(machine, *store, arguments.store.keys, wanted, arguments.store.json);
    if (!result && *made) ::rmdir(directory->c_str());  // unless there is something in it
    if (!result) return fail(result.error());
    if (arguments.store.json)
        fmt::print("{}\n", dump_json(*result, 2));
    else
        print_backup(*result);
    return status_of(*result);
}

Exit run_rotate(Machine& machine, const StoreArguments& arguments, const std::string& container) {
    auto store = find_store(machine, arguments.store);
    if (!store) return fail(store.error());
    const request::JobStart wanted{.name = "rotation", .container = container};
    auto result = run_job(machine, *store, arguments.keys, wanted, arguments.json);
    if (!result) return fail(result.error());
    if (arguments.json) {
        fmt::print("{}\n", dump_json(*result, 2));
        return status_of(*result);
    }
    print_lines(*result, "problems");
    fmt::print("container {} is under key {}{}: {} sealed again; the old key is {}\n", container,
               number_member(*result, "key", 0),
               flag_member(*result, "resumed") ? " (a rotation gone on with)" : "",
               format_size(number_member(*result, "bytes", 0)),
               flag_member(*result, "complete") ? "gone" : "kept");
    return status_of(*result);
}

namespace {

Result<core::RestoreReport> restore(Machine& machine, const BackupArguments& arguments) {
    core::RestoreOptions options;
    RF_TRY(options.backup, real_path(arguments.directory));
    RF_TRY(options.directory, real_path(arguments.store.store));
    RF_TRY(const StoreId id, core::identify_backup(machine.disk, options.backup));
    RF_TRY(options.unlock, find_unlock(machine, current_person(), id, arguments.store.keys,
                                       {options.backup, options.directory}));
    RF_TRY(const Identity owner, choose_owner(arguments.owner, options.directory));
    RF_CHECK(check_open_to(owner, options.directory));
    // Root reads the backup, whoever owns it, and makes what it makes for itself alone until all
    // of it is there.
    if (owner.uid == ::geteuid())
        RF_CHECK(make_private_directories(parent_path(options.directory)));
    else
        RF_CHECK(make_directories(parent_path(options.directory), 0755));
    core::Job job;
    core::RestoreReport report;
    RF_CHECK(run_shown(job, arguments.store.json, [&]() -> Result<void> {
        RF_TRY(report, core::restore_store(machine.environment(), options, job));
        return done();
    }));
    RF_CHECK(give_all(options.directory, owner));
    return report;
}

}  // namespace

Exit run_restore(Machine& machine, const BackupArguments& arguments) {
    auto report = restore(machine, arguments);
    if (!report) return fail(report.error());
    if (arguments.store.json) {
        fmt::print("{}\n", dump_json({{"store", arguments.store.store},
                                      {"id", report->store.hex()},
                                      {"taken", format_time(report->taken)},
                                      {"packs", report->packs},
                                      {"bytes", report->bytes},
                                      {"open_report", report->open_report}},
                                     2));
        return Exit::kOk;
    }
    for (const std::string& line : report->open_report) fmt::print("note: {}\n", line);
    fmt::print("restored store {} as it was at {} into {}: {} packs, {}\n", report->store.hex(),
               format_time(report->taken), arguments.store.store, report->packs,
               format_size(report->bytes));
    return Exit::kOk;
}

Exit run_job_command(Machine& machine, const StoreArguments& arguments, const Request& request) {
    auto store = find_store(machine, arguments.store);
    if (!store) return fail(store.error());
    auto holder = find_holder(store->path);
    if (!holder) return fail(holder.error());
    if (!*holder || (*holder)->socket.empty())
        return fail({Errc::kNotFound, "no daemon serves this store, so no job is running"});
    auto answer = ask_daemon((*holder)->socket, request, -1);
    if (!answer) return fail(answer.error());
    if (arguments.json) {
        fmt::print("{}\n", dump_json(*answer, 2));
    } else if (std::holds_alternative<request::JobStatus>(request)) {
        if (answer->is_null()) {
            fmt::print("no job has run\n");
            return Exit::kOk;
        }
        const core::Job::State state{.stage = text_member(*answer, "stage"),
                                     .done_bytes = number_member(*answer, "done_bytes", 0),
                                     .total_bytes = number_member(*answer, "total_bytes", 0),
                                     .findings = number_member(*answer, "findings", 0)};
        fmt::print("{} {}: {}\n", text_member(*answer, "name"),
                   flag_member(*answer, "running") ? "runs" : "has ended",
                   answer->contains("message") ? text_member(*answer, "message")
                                               : format_progress(state, 0, 0));
    }
    return Exit::kOk;
}

}  // namespace reelfs::app
