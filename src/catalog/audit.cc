// A check of the whole catalog, see Catalog::audit() and audit.h.
#include "catalog/audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "catalog/log_layout.h"
#include "catalog/sqlite_catalog.h"
#include "reelfs/model/check_limits.h"
#include "reelfs/model/limits.h"

namespace reelfs::catalog {

namespace {

constexpr std::size_t kListedPerRule = 100;
constexpr int kScanStep = limits::catalog_step_rows_max;
constexpr std::string_view kLostFolder = "lost+found";

/// Bytes of names as a person may read them on any terminal.
std::string printable(std::string_view text) {
    std::string shown;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            shown += fmt::format("\\x{:02x}", byte);
        else
            shown += c;
    }
    return shown;
}

/// Adds what a query of (node or NULL, sentence) finds.
Result<bool> collect(Database& database, const char* sql, bool repairable,
                     std::vector<AuditFinding>& findings) {
    Statement statement(database, sql);
    Query query(statement);
    const std::size_t before = findings.size();
    while (true) {
        RF_TRY(const bool row, query.step());
        if (!row) return findings.size() != before;
        if (findings.size() - before == kListedPerRule) {
            ++findings.back().more;
            continue;
        }
        AuditFinding finding{
            .text = printable(query.text(1)), .node = {}, .repairable = repairable};
        if (!query.null(0)) finding.node = NodeId(query.as<std::uint64_t>(0));
        findings.push_back(std::move(finding));
    }
}

struct Lost {
    NodeId node;
    std::int64_t type = 0;
    std::optional<NodeId> root;  // of its container; none: there is nothing to hang it into
    bool named = false;          // a name in a folder leads to it: that one is lost, or a circle
};

Result<std::vector<Lost>> find_lost(Database& database) {
    Statement statement(database, kUnreachable);
    Query query(statement);
    std::vector<Lost> lost;
    while (true) {
        RF_TRY(const bool row, query.step());
        if (!row) return lost;
        Lost one{.node = NodeId(query.as<std::uint64_t>(0)), .type = query.integer(1), .root = {}};
        if (!query.null(2)) one.root = NodeId(query.as<std::uint64_t>(2));
        one.named = query.integer(3) != 0;
        lost.push_back(one);
    }
}

/// The folder for what is found, made if need be: where its name leads to no folder, under another
/// one. Link counts are the rules' to put right.
Result<NodeId> lost_folder(Session& session, NodeId root, Timestamp now) {
    std::string name(kLostFolder);
    for (int number = 2;; ++number) {
        RF_TRY(const auto there, session.entry(root, name));
        if (!there) break;
        RF_TRY(const auto row, session.node(*there));
        if (row && row->attributes.type == NodeType::kDirectory) return *there;
        name = fmt::format("{}-{}", kLostFolder, number);
    }
    RF_TRY(const auto parent, session.node(root));
    if (!parent) return Error(Errc::kCorrupt, "a container without its folder");
    RF_TRY(const std::int64_t id, session.counters().value("next_node"));
    RF_CHECK(session.counters().set("next_node", id + 1));
    NodeRow row;
    Attributes& attributes = row.attributes;
    attributes = parent->attributes;
    attributes.node = NodeId(static_cast<std::uint64_t>(id));
    attributes.mode = 0700;
    attributes.links = 2;
    attributes.accessed = attributes.modified = attributes.changed = attributes.created = now;
    row.parent = root;
    RF_CHECK(session.insert_node(row));
    RF_CHECK(session.insert_entry(
        root, {.name = std::move(name), .node = attributes.node, .type = NodeType::kDirectory}));
    return attributes.node;
}

/// Every name of it goes, and it gets one in its container's lost+found.
Result<void> hang(Database& database, Session& session, const Lost& lost, Timestamp now) {
    RF_CHECK(database.execute(fmt::format("DELETE FROM entry WHERE node = {}", lost.node.value())));
    RF_TRY(const NodeId folder, lost_folder(session, *lost.root, now));
    std::string name = fmt::format("#{}", lost.node.value());
    for (int number = 2;; ++number) {
        RF_TRY(const auto taken, session.entry(folder, name));
        if (!taken) break;
        name = fmt::format("#{}-{}", lost.node.value(), number);
    }
    RF_CHECK(session.insert_entry(
        folder,
        {.name = std::move(name), .node = lost.node, .type = static_cast<NodeType>(lost.type)}));
    if (lost.type != static_cast<std::int64_t>(NodeType::kDirectory)) return done();
    RF_TRY(auto row, session.node(lost.node));
    row->parent = folder;
    return session.update_node(*row);
}

/// A folder of the circle above this node: what is below a circle is not in it, and keeps its name.
Result<NodeId> in_circle_above(Database& database, NodeId node) {
    Statement statement(database, "SELECT parent FROM entry WHERE node = ?1");
    for (std::set<NodeId> seen; seen.insert(node).second;) {
        Query query(statement, node);
        RF_TRY(const bool row, query.step());
        if (!row) return node;
        node = NodeId(query.as<std::uint64_t>(0));
    }
    return node;
}

/// Gives nodes that no path leads to a name in their container's lost+found. Those that no folder
/// has go at once, since what is below them comes back with them. What is lost then is in a circle,
/// or below one, which is cut open at one folder; and all is looked at again.
Result<void> reattach(Database& database, Session& session, Timestamp now, const GoOn& go_on) {
    while (true) {
        RF_CHECK(go_on());
        RF_TRY(auto lost, find_lost(database));
        std::erase_if(lost, [](const Lost& one) { return !one.root; });
        if (lost.empty()) return done();
        bool any = false;
        for (const Lost& one : lost) {
            if (one.named) continue;
            RF_CHECK(hang(database, session, one, now));
            any = true;
        }
        if (any) continue;
        RF_TRY(const NodeId cut, in_circle_above(database, lost.front().node));
        const auto at = std::find_if(lost.begin(), lost.end(),
                                     [&](const Lost& one) { return one.node == cut; });
        RF_CHECK(hang(database, session, at == lost.end() ? lost.front() : *at, now));
    }
}

Result<void> check_trees(Database& database, std::vector<AuditFinding>& findings) {
    Statement statement(database, "PRAGMA integrity_check(100)");
    Query query(statement);
    while (true) {
        RF_TRY(const bool row, query.step());
        if (!row) return done();
        if (std::string text = query.text(0); text != "ok")
            findings.push_back(
                {.text = "the catalog's trees: " + printable(text), .node = {}, .of_trees = true});
    }
}

}  // namespace

Result<std::vector<std::string>> SqliteCatalog::damaged_pages(const GoOn& go_on) {
    MutexLock lock(connection_);
    RF_CHECK(move_log(Database::Log::kKeep));
    const std::string path = vfs_->database_path();
    RF_TRY(auto file, disk_->open(path, OpenMode::kRead));
    file->drop_cache();  // what the disk holds is asked for
    RF_TRY(const std::uint64_t size, file->size());
    std::vector<std::string> damaged;
    Buffer page(kPageBytes);
    for (std::uint64_t number = 1; number <= size / kPageBytes; ++number) {
        RF_CHECK(go_on());
        const auto tell = [&](std::string_view how) {
            damaged.push_back(fmt::format("catalog page {} (bytes {} to {} of {}) {}", number,
                                          (number - 1) * kPageBytes, number * kPageBytes - 1, path,
                                          how));
        };
        const auto read = file->read_at((number - 1) * kPageBytes, page.span());
        if (!read) {
            tell("cannot be read: " + read.error().message());
            continue;
        }
        const std::size_t n = *read;
        // A page that was taken and given back within one transaction was never written.
        if (std::all_of(page.data(), page.data() + n, [](std::byte b) { return b == std::byte{}; }))
            continue;
        if (n == kPageBytes && sealer_.open({crypto::PageKind::kDatabase, number}, page.span(),
                                            page.span().first(kPagePlainBytes)))
            continue;
        tell("is damaged");
    }
    return damaged;
}

Result<std::vector<AuditFinding>> SqliteCatalog::audit(AuditMode mode, Timestamp now,
                                                       const GoOn& go_on) {
    MutexLock lock(connection_);
    Database& database = *database_;
    const Interruptible interruptible(database, go_on);
    std::vector<AuditFinding> findings;
    RF_CHECK(check_trees(database, findings));
    if (!findings.empty()) return findings;  // what the rules would say is not to be believed
    RF_CHECK(database.prepare_all());
    const auto body = [&](Session& session) -> Result<void> {
        RF_TRY(const auto lost, find_lost(database));
        for (const Lost& one : lost) {
            if (findings.size() == kListedPerRule) {
                ++findings.back().more;
                continue;
            }
            findings.push_back({.text = fmt::format("no path leads to node {}", one.node.value()),
                                .node = {},
                                .repairable = one.root.has_value()});
        }
        if (mode == AuditMode::kRepair && !lost.empty()) {
            RF_CHECK(reattach(database, session, now, go_on));
            for (AuditFinding& finding : findings) finding.repaired = finding.repairable;
        }
        for (const AuditRule& rule : audit_rules()) {
            RF_CHECK(go_on());
            const bool repairable = *rule.repair != '\0';
            const std::size_t before = findings.size();
            RF_TRY(const bool any, collect(database, rule.find, repairable, findings));
            if (!any || !repairable || mode == AuditMode::kReport) continue;
            RF_CHECK(database.execute(rule.repair));
            for (std::size_t i = before; i < findings.size(); ++i) findings[i].repaired = true;
        }
        RF_TRY(const Reader::Counts kept, session.counts());
        RF_TRY(const Reader::Counts counted, session.count_again());
        if (kept.nodes != counted.nodes || kept.extents != counted.extents ||
            kept.packs != counted.packs)
            findings.push_back(
                {.text = fmt::format("the catalog says {} nodes, {} extents, {} packs; it has {}, "
                                     "{}, {}",
                                     kept.nodes, kept.extents, kept.packs, counted.nodes,
                                     counted.extents, counted.packs),
                 .node = {},
                 .repairable = true,
                 .repaired = mode == AuditMode::kRepair});
        return done();
    };
    if (mode == AuditMode::kReport) {
        RF_CHECK(body(*session_));
        return findings;
    }
    RF_CHECK(transact(body));
    known_usage_.clear();  // the rules' statements change nodes behind its back
    return findings;
}

Result<std::vector<FreedRow>> SqliteCatalog::all_freed() {
    MutexLock lock(connection_);
    return session_->all_freed();
}

// Entries are found by their folder, not by where they lead, so one walk over all of them, in
// steps, finds those that are asked for; folders above are then found through their parents.
Result<std::map<NodeId, std::string>> SqliteCatalog::paths_of(const std::set<NodeId>& nodes,
                                                              const GoOn& go_on) {
    std::map<NodeId, std::pair<NodeId, std::string>> names;  // node -> folder and name
    NodeId parent;
    std::string after;
    for (int got = kScanStep; got == kScanStep && names.size() < nodes.size();) {
        RF_CHECK(go_on());
        MutexLock lock(connection_);
        Statement statement(*database_,
                            "SELECT parent, name, node FROM entry WHERE (parent, name) > (?1, ?2) "
                            "ORDER BY parent, name LIMIT ?3");
        Query query(statement, parent, after, kScanStep);
        NodeId last = parent;
        std::string last_name = after;
        for (got = 0;; ++got) {
            RF_TRY(const bool row, query.step());
            if (!row) break;
            last = NodeId(query.as<std::uint64_t>(0));
            last_name = query.text(1);
            if (const NodeId node(query.as<std::uint64_t>(2)); nodes.contains(node))
                names.try_emplace(node, last, last_name);
        }
        parent = last;
        after = last_name;
    }
    std::map<NodeId, std::string> folders{{kRootNode, ""}};
    const auto folder_path = [&](NodeId folder) -> Result<std::string> {
        std::vector<std::pair<NodeId, std::string>> above;
        for (int depth = 0; !folders.contains(folder); ++depth) {
            if (depth == limits::path_depth_max) return std::string("...");
            MutexLock lock(connection_);
            RF_TRY(const auto row, session_->node(folder));
            if (!row) return std::string("...");
            Statement statement(*database_,
                                "SELECT name FROM entry WHERE parent = ?1 AND node = ?2");
            Query query(statement, row->parent, folder);
            RF_TRY(const bool found, query.step());
            if (!found) return std::string("...");
            above.emplace_back(folder, query.text(0));
            folder = row->parent;
        }
        std::string path = folders.at(folder);
        for (auto one = above.rbegin(); one != above.rend(); ++one) {
            path += "/" + printable(one->second);
            folders[one->first] = path;
        }
        return path;
    };
    std::map<NodeId, std::string> paths;
    if (nodes.contains(kRootNode)) paths[kRootNode] = "/";
    for (const auto& [node, name] : names) {
        RF_CHECK(go_on());
        RF_TRY(const std::string folder, folder_path(name.first));
        paths[node] = folder + "/" + printable(name.second);
    }
    return paths;
}

}  // namespace reelfs::catalog
