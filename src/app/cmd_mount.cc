// `reelfs mount` and `reelfs serve`: everything that can be refused before a daemon exists is
// refused here, with the person's terminal at hand; then the daemon is launched.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "app/commands.h"
#include "app/daemon.h"
#include "app/http_options.h"
#include "app/mount_table.h"
#include "app/paths.h"
#include "app/remount.h"
#include "app/tls_files.h"
#include "app/unix_socket.h"

namespace reelfs::app {

namespace {

Result<std::string> check_mountpoint(const std::string& path, const std::string& store) {
    if (is_dead_mount(path))
        return Error(Errc::kBusy,
                     fmt::format("{0} is a dead mount: its daemon is gone; clear it with: "
                                 "reelfs umount --force '{0}'",
                                 lexical_path(path)));
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno == ENOENT)
            return Error(Errc::kNotFound,
                         fmt::format("mountpoint {0} does not exist; make it: mkdir '{0}'", path));
        return Error::from_errno(errno, "mountpoint " + path);
    }
    if (!S_ISDIR(status.st_mode))
        return Error(Errc::kNotDirectory, fmt::format("mountpoint {} is not a directory", path));
    RF_TRY(std::string real, real_path(path));
    if (is_inside(real, store) || is_inside(store, real))
        return Error(
            Errc::kInvalid,
            fmt::format("mountpoint {} and store {} lie one inside the other", real, store));
    return real;
}

/// The mountpoint's other mount, if any: mounting over it would hide it.
Result<void> check_not_mounted(const std::string& mountpoint) {
    auto entry = mount_at(mountpoint);
    if (!entry || !is_reelfs(*entry)) return done();
    return Error(Errc::kBusy,
                 fmt::format("{0} is a mount of store {1} already; to end it: reelfs umount '{0}'",
                             mountpoint, entry->source));
}

struct Prepared {
    DaemonPlan plan;
    crypto::Unlock unlock;
};

Result<MountWords> words_of(const ServeArguments& arguments) {
    RF_TRY(MountWords words, parse_mount_words(arguments.options, arguments.ignore_unknown_options
                                                                      ? UnknownWords::kIgnore
                                                                      : UnknownWords::kRefuse));
    if (!arguments.http.empty()) words.http = arguments.http;
    if (!arguments.admin.empty()) words.admin = arguments.admin;
    if (!arguments.admin_token_file.empty()) words.admin_token_file = arguments.admin_token_file;
    if (!arguments.region.empty()) words.region = arguments.region;
    if (!arguments.account.empty()) words.account = arguments.account;
    if (!arguments.domain.empty()) words.domain = arguments.domain;
    if (!arguments.trusted_proxies.empty())
        words.trusted_proxies = fmt::format("{}", fmt::join(arguments.trusted_proxies, ","));
    if (!arguments.access_log.empty()) words.access_log = arguments.access_log;
    if (!arguments.https.empty()) words.https = arguments.https;
    if (!arguments.tls_certificate.empty()) words.tls_certificate = arguments.tls_certificate;
    if (!arguments.tls_key.empty()) words.tls_key = arguments.tls_key;
    words.tls_self_signed = words.tls_self_signed || arguments.tls_self_signed;
    if (!arguments.keys.key_file.empty()) words.key_file = arguments.keys.key_file;
    if (!arguments.keys.passphrase_file.empty())
        words.passphrase_file = arguments.keys.passphrase_file;
    if (!words.key_file.empty() && !words.passphrase_file.empty())
        return Error(Errc::kInvalid, "give a key file or a passphrase file, not both");
    return words;
}

Result<Prepared> prepare(Machine& machine, const ServeArguments& arguments) {
    Prepared prepared;
    DaemonPlan& plan = prepared.plan;
    plan.json = arguments.json;
    plan.quiet = arguments.quiet;
    RF_TRY(plan.words, words_of(arguments));
    RF_TRY(plan.store, find_store(machine, arguments.store));
    if (!arguments.mountpoint.empty()) {
        RF_TRY(plan.mountpoint, check_mountpoint(arguments.mountpoint, plan.store.path));
    }
    RF_TRY([[maybe_unused]] auto doors, server_options_of(plan.words));
    if (!plan.words.admin_token_file.empty()) {
        RF_TRY(plan.admin_token, read_admin_token(machine, plan.words.admin_token_file));
    }
    // A daemon in service is named before a passphrase is asked for; acquire() decides later.
    RF_CHECK(check_not_served(plan.store.path));
    if (!plan.mountpoint.empty()) RF_CHECK(check_not_mounted(plan.mountpoint));
    KeyChoice keys = arguments.keys;
    keys.key_file = plan.words.key_file;
    keys.passphrase_file = plan.words.passphrase_file;
    RF_TRY(prepared.unlock, find_unlock(machine, current_person(), plan.store.id, keys,
                                        {plan.store.path, plan.mountpoint}));
    RF_CHECK(settle_tls(plan.words, current_person(), plan.store.id));
    // What the daemon compares with zones later depends neither on its working directory nor on its
    // rights.
    const Person person = current_person();
    RF_TRY(plan.key_file,
           real_path(plan.words.key_file.empty() ? default_key_file(person, plan.store.id)
                                                 : plan.words.key_file));
    if (auto directory = runtime_directory(person)) {
        const std::string socket = fmt::format("{}/{}.sock", *directory, plan.store.id.hex());
        // A copy of this store, made by a restore, has the same id and may be served beside it.
        if (!connect_unix(socket)) plan.control_socket = socket;
    }
    if (!plan.words.access_log.empty())
        plan.words.access_log = std::filesystem::absolute(plan.words.access_log).string();
    if (!arguments.foreground && !logs_to_journal())
        plan.log_path = default_log_file(person, plan.store.id);
    return prepared;
}

Exit launch(Machine& machine, const ServeArguments& arguments) {
    auto prepared = prepare(machine, arguments);
    if (!prepared) return fail(prepared.error());
    auto work = [&](Launch& launch) {
        return run_daemon(machine, prepared->plan, std::move(prepared->unlock), launch);
    };
    if (!arguments.foreground) return launch_daemon(prepared->plan.log_path, work);
    Launch here;
    return work(here);
}

Exit run_remount(Machine& machine, const ServeArguments& arguments) {
    auto mountpoint = real_path(arguments.mountpoint);
    if (!mountpoint) return fail(mountpoint.error());
    if (auto changed = remount(*mountpoint, arguments.options); !changed)
        return fail(changed.error());
    // What was written before it became read-only is as safe as on any other file system.
    return run_sync(machine, {.store = arguments.store, .keys = {}, .json = false});
}

}  // namespace

Exit run_mount(Machine& machine, const ServeArguments& arguments) {
    if (arguments.mountpoint.empty())
        return fail(Error(Errc::kInvalid,
                          "the name of the mountpoint is empty; give an existing directory"));
    if (wants_remount(arguments.options)) return run_remount(machine, arguments);
    return launch(machine, arguments);
}

Exit run_serve(Machine& machine, const ServeArguments& arguments) {
    if (arguments.http.empty() && arguments.https.empty() && arguments.admin.empty())
        return fail(Error(Errc::kInvalid,
                          "nothing to serve: give --http, --https or --admin with ADDR:PORT"));
    return launch(machine, arguments);
}

}  // namespace reelfs::app
