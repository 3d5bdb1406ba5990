// `reelfs cors` and its like: put, get and delete a document of a container.
#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "app/commands.h"
#include "app/store_access.h"
#include "reelfs/model/limits.h"

namespace reelfs::app {

namespace {

Result<std::string> read_text(Machine& machine, const std::string& file) {
    if (file != "-") {
        auto bytes = read_file(machine.disk, file, limits::document_bytes_max);
        if (!bytes) return std::move(bytes).error().with("read " + file);
        return std::string(text_of(*bytes));
    }
    std::string text(limits::document_bytes_max + 1, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (std::cin.bad()) return Error(Errc::kIo, "the standard input cannot be read");
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    return text;
}

Result<Request> request_of(Machine& machine, const DocumentArguments& arguments, DocumentKind kind,
                           DocumentVerb verb) {
    switch (verb) {
        case DocumentVerb::kPut: {
            RF_TRY(std::string text, read_text(machine, arguments.file));
            if (text.size() > limits::document_bytes_max)
                return Error(Errc::kInvalid, fmt::format("a document has at most {} characters",
                                                         limits::document_bytes_max));
            // Also because what is no UTF-8 would not reach the daemon as it is.
            RF_TRY([[maybe_unused]] Json parsed, parse_json(text));
            return Request(request::DocumentPut{arguments.container, kind, std::move(text)});
        }
        case DocumentVerb::kGet:
            return Request(request::DocumentGet{arguments.container, kind});
        case DocumentVerb::kDelete:
            return Request(request::DocumentDelete{arguments.container, kind});
    }
    return Error(Errc::kInvalid, "no such command");
}

void print_for_people(const DocumentArguments& arguments, DocumentKind kind, DocumentVerb verb,
                      const Json& answer) {
    if (verb == DocumentVerb::kGet) {
        const std::string body = text_member(answer, "body");
        fmt::print("{}{}", body, body.ends_with('\n') ? "" : "\n");
        return;
    }
    fmt::print("{} {} of container {}\n", verb == DocumentVerb::kPut ? "set" : "deleted",
               name_of(kind), arguments.container);
}

}  // namespace

Exit run_document(Machine& machine, const DocumentArguments& arguments, DocumentKind kind,
                  DocumentVerb verb) {
    auto store = find_store(machine, arguments.store.store);
    if (!store) return fail(store.error());
    auto request = request_of(machine, arguments, kind, verb);
    if (!request) return fail(request.error());
    auto answer = ask(machine, *store, arguments.store.keys, *request);
    if (!answer) return fail(answer.error());
    if (!arguments.store.json) {
        print_for_people(arguments, kind, verb, *answer);
        return Exit::kOk;
    }
    // The document is JSON itself.
    if (auto body = parse_json(text_member(*answer, "body"))) answer = *std::move(body);
    fmt::print("{}\n", dump_json(*answer, 2));
    return Exit::kOk;
}

}  // namespace reelfs::app
