#include "http/admission.h"

#include "http/authentication.h"
#include "reelfs/base/log.h"

namespace reelfs::http {

bool is_write(const RequestHead& head) {
    return head.method == "PUT" || head.method == "POST" || head.method == "DELETE";
}

std::optional<Response> refuse_proof(ServerState& state, const RequestHead& head,
                                     const Authenticated& who, const Arrival& arrival) {
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
    state.refused_ingests.fetch_add(1, std::memory_order_relaxed);
    log::warning("http: a {} was refused: {} {}: {}", head.method, fault.status, fault.type,
                 fault.message);
}

}  // namespace reelfs::http
