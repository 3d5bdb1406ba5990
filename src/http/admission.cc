#include "http/admission.h"

#include "http/authentication.h"
#include "reelfs/base/log.h"

namespace reelfs::http {

namespace {

void note_refusal(ServerState& state, std::string_view method, const Fault& fault) {
    state.refused_ingests.fetch_add(1, std::memory_order_relaxed);
    log::warning("http: a {} was refused: {} {}: {}", method, fault.status, fault.type,
                 fault.message);
}

void note_unanswered(ServerState& state, std::string_view method) {
    note_refusal(state, method,
                 {401, "AccessDeniedException",
                  "writing needs credentials, and none followed when they were asked for"});
}

}  // namespace

bool is_write(const RequestHead& head) {
    return head.method == "PUT" || head.method == "POST" || head.method == "DELETE";
}

std::optional<Response> refuse_proof(ServerState& state, const RequestHead& head,
                                     const Authenticated& who, const Arrival& arrival) {
    const bool offered = who.refused || !who.principal.is_anonymous();
    if (offered && is_write(head)) state.challenges.answered(head.method, head.target);
    if (!who.refused) return std::nullopt;
    const Fault fault{who.refused->status, who.refused->type, who.refused->message};
    if (is_write(head)) note_refused_ingest(state, head, fault);
    Response response = error_response(fault);
    if (fault.status == 401 && may_send_secret(arrival)) add_challenge(response);
    return response;
}

void add_challenge(Response& response) {
    response.add("WWW-Authenticate", "Basic realm=\"reelfs\", charset=\"UTF-8\"");
}

void note_refused_ingest(ServerState& state, const RequestHead& head, const Fault& fault) {
    note_refusal(state, head.method, fault);
}

void note_challenge(ServerState& state, const RequestHead& head) {
    state.challenged_ingests.fetch_add(1, std::memory_order_relaxed);
    const std::string given_up =
        state.challenges.asked(head.method, head.target, state.clock.monotonic_ns());
    if (!given_up.empty()) note_unanswered(state, given_up);
}

void give_up_challenges(ServerState& state, std::int64_t patience_ms) {
    const std::int64_t until = state.clock.monotonic_ns() - patience_ms * 1'000'000;
    for (const std::string& method : state.challenges.take_unanswered(until))
        note_unanswered(state, method);
}

}  // namespace reelfs::http
