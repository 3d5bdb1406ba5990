#include "http/data_access.h"

#include "http/admission.h"
#include "http/authentication.h"

namespace reelfs::http {

namespace {

Response refused(ServerState& state, const Asker& asker, Action action, const Fault& fault) {
    if (action != Action::kListItems) note_refused_ingest(state, asker.head, fault);
    return error_response(fault);
}

std::optional<Response> refuse_nobody(ServerState& state, const Asker& asker, Action action) {
    if (action == Action::kListItems)
        return refused(
            state, asker, action,
            {403, "AccessDeniedException", "listing a container needs a policy that allows it"});
    // Whoever is asked for a password where it would travel openly, sends it.
    if (!may_send_secret(asker.arrival))
        return refused(state, asker, action,
                       {403, "AccessDeniedException",
                        "writing needs a signed request; Basic and Bearer are taken over TLS "
                        "only"});
    // ffmpeg and its like offer the name and the password of their URL only when they are asked.
    note_challenge(state, asker.head);
    Response response =
        error_response(Fault{401, "AccessDeniedException", "writing needs credentials"});
    add_challenge(response);
    return response;
}

}  // namespace

std::optional<Response> refuse_access(ServerState& state, const Asker& asker, Action action,
                                      std::string_view container, const Components& path) {
    if (asker.who.principal.is_anonymous()) return refuse_nobody(state, asker, action);
    AccessRequest request;
    request.principal = asker.who.principal;
    request.action = action;
    if (state.tree.may_access(request, container, path)) return std::nullopt;
    return refused(state, asker, action,
                   {403, "AccessDeniedException", "these credentials are not good for this"});
}

}  // namespace reelfs::http
