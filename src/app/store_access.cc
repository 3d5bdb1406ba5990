#include "app/store_access.h"

#include <fmt/format.h>
#include <unistd.h>

#include <functional>

#include "app/privileges.h"
#include "app/store_service.h"
#include "app/unix_socket.h"

namespace reelfs::app {

namespace {

constexpr int kNoBound = -1;  // sync and a status of a busy store take what the disk takes

using FindUnlock = std::function<Result<crypto::Unlock>()>;

Answer ask_directly(Machine& machine, const StoreName& store, const FindUnlock& finder,
                    const Request& request) {
    // The key may be one that only root can read; the store's files are its owner's.
    auto unlock = finder();
    if (!unlock)
        return std::move(unlock).error().with(
            "no daemon is running to ask, so the store is opened here");
    const Caller caller{
        .uid = ::geteuid(), .gid = ::getegid(), .pid = static_cast<std::uint32_t>(::getpid())};
    RF_TRY(const Identity owner, owner_of(store.path));
    RF_TRY(auto acting, ActingAs::start(owner));
    RF_TRY(StoreLock lock, StoreLock::acquire(store.path, kShortCommandWaitMs));
    core::OpenOptions options{
        .directory = store.path, .unlock = std::move(unlock).value(), .background_barrier_ms = 0};
    RF_TRY(auto volume, core::open_store(machine.environment(), options));
    StoreService service(store.path, *volume, machine.disk, {}, nullptr);
    Answer answer = service.answer(request, caller);
    auto closed = volume->close();
    if (!answer || closed) return answer;
    // What was asked for has been done: never an error that says that it was not.
    const Errc code = closed.error().code() == Errc::kNoSpace ? Errc::kNoSpace : Errc::kIo;
    return Error(code, closed.error().message()).with("close the store");
}

Answer ask_somebody(Machine& machine, const StoreName& store, const FindUnlock& finder,
                    const Request& request) {
    RF_TRY(auto holder, find_holder(store.path));
    if (holder && !holder->stopping && !holder->socket.empty()) {
        Answer answer = ask_daemon(holder->socket, request, kNoBound);
        // Gone between the look and the call: then the store is ours to open.
        if (answer || answer.error().code() != Errc::kNotFound) return answer;
        RF_TRY(holder, find_holder(store.path));
        if (holder && !holder->stopping) return answer;
    }
    return ask_directly(machine, store, finder, request);
}

}  // namespace

Result<StoreName> find_store(Machine& machine, const std::string& path) {
    if (path.empty())
        return Error(Errc::kInvalid, "the name of the store is empty; give its directory");
    RF_TRY(std::string real, real_path(path));
    auto id = core::identify_store(machine.disk, real);
    if (id) return StoreName{.path = real, .id = *id};
    switch (id.error().code()) {
        case Errc::kNotFound:
            return Error(
                Errc::kNotFound,
                fmt::format("there is no store at {0}; to make one: reelfs init '{0}'", real));
        case Errc::kNotDirectory:
            return Error(Errc::kNotDirectory,
                         fmt::format("{} is a file, and a store is a directory", real));
        case Errc::kAccessDenied: {
            const auto owner = owner_of(real);
            return Error(Errc::kAccessDenied,
                         fmt::format("the store at {} is open to its owner{} and to root only",
                                     real, owner ? ", " + name_of_user(owner->uid) + "," : ""));
        }
        default:
            return std::move(id).error();
    }
}

Answer ask_daemon(const std::string& socket_path, const Request& request, int wait_ms) {
    RF_TRY(Fd socket, connect_unix(socket_path));
    RF_CHECK(send_line(socket.get(), encode_request(request)));
    RF_TRY(std::string line, LineReader(socket.get()).next(kAnswerBytesMax, wait_ms));
    return decode_answer(line);
}

Answer ask(Machine& machine, const StoreName& store, const KeyChoice& keys,
           const Request& request) {
    return ask_somebody(
        machine, store,
        [&] { return find_unlock(machine, current_person(), store.id, keys, {store.path}); },
        request);
}

Answer ask(Machine& machine, const StoreName& store, crypto::Unlock unlock,
           const Request& request) {
    return ask_somebody(
        machine, store, [&] { return Result<crypto::Unlock>(std::move(unlock)); }, request);
}

}  // namespace reelfs::app
