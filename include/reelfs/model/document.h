// What can be set for a container besides its content: one JSON text of each kind. What a kind's
// text may say is checked by policy when it is put; here are only the kinds and their names, which
// are stored, typed on the command line, and never change.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace reelfs {

enum class DocumentKind : std::uint8_t {
    kCors,       // policy/cors.h
    kDelivery,   // policy/delivery.h
    kLifecycle,  // policy/lifecycle.h
};
inline constexpr std::array kDocumentKinds{DocumentKind::kCors, DocumentKind::kDelivery,
                                           DocumentKind::kLifecycle};

constexpr std::string_view name_of(DocumentKind kind) {
    switch (kind) {
        case DocumentKind::kCors:
            return "cors";
        case DocumentKind::kDelivery:
            return "delivery";
        case DocumentKind::kLifecycle:
            return "lifecycle";
    }
    return {};
}

constexpr std::optional<DocumentKind> document_kind_named(std::string_view name) {
    for (DocumentKind kind : kDocumentKinds)
        if (name_of(kind) == name) return kind;
    return std::nullopt;
}

}  // namespace reelfs
