#include "catalog/audit.h"

namespace reelfs::catalog {

namespace {

constexpr AuditRule kRules[] = {
    // Names
    {R"sql(SELECT e.parent, printf('the name "%s" leads to node %d, which does not exist', CAST(e.name AS TEXT), e.node)
           FROM entry e LEFT JOIN node n ON n.id = e.node WHERE n.id IS NULL)sql",
     "DELETE FROM entry WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.id = entry.node)"},
    {R"sql(SELECT e.node, printf('the name "%s" stands in node %d, which is no folder', CAST(e.name AS TEXT), e.parent)
           FROM entry e LEFT JOIN node p ON p.id = e.parent WHERE p.id IS NULL OR p.type <> 2)sql",
     "DELETE FROM entry WHERE NOT EXISTS "
     "(SELECT 1 FROM node WHERE node.id = entry.parent AND node.type = 2)"},
    {R"sql(SELECT e.node, printf('the name "%s" says type %d, the node is of type %d', CAST(e.name AS TEXT), e.type, n.type)
           FROM entry e JOIN node n ON n.id = e.node WHERE e.type <> n.type)sql",
     "UPDATE entry SET type = (SELECT type FROM node WHERE node.id = entry.node) WHERE type <> "
     "(SELECT type FROM node WHERE node.id = entry.node)"},
    {R"sql(SELECT e.node, printf('a name that cannot be one: "%s"', CAST(e.name AS TEXT)) FROM entry e
           WHERE length(e.name) NOT BETWEEN 1 AND 255 OR instr(e.name, x'2f') OR instr(e.name, x'00')
              OR e.name IN (x'2e', x'2e2e'))sql",
     ""},
    // Nodes
    {R"sql(SELECT id, printf('node %d has type %d and mode %o', id, type, mode) FROM node
           WHERE type NOT BETWEEN 1 AND 7 OR mode NOT BETWEEN 0 AND 4095 OR size < 0)sql",
     ""},
    {R"sql(SELECT 1, 'the root of the tree is missing or no folder'
           WHERE NOT EXISTS (SELECT 1 FROM node WHERE id = 1 AND type = 2))sql",
     ""},
    {R"sql(SELECT n.id, printf('folder %d has %d names', n.id, count(*)) FROM entry e JOIN node n ON n.id = e.node
           WHERE n.type = 2 GROUP BY n.id HAVING count(*) > 1)sql",
     "DELETE FROM entry WHERE type = 2 AND parent <> (SELECT parent FROM node WHERE node.id = "
     "entry.node) "
     "AND EXISTS (SELECT 1 FROM node n JOIN entry o ON o.parent = n.parent AND o.node = n.id "
     "WHERE n.id = entry.node)"},
    {R"sql(SELECT n.id, printf('folder %d says it lies in %d, its name stands in %d', n.id, n.parent, e.parent)
           FROM entry e JOIN node n ON n.id = e.node WHERE n.type = 2 AND n.parent <> e.parent)sql",
     "UPDATE node SET parent = (SELECT e.parent FROM entry e WHERE e.node = node.id) WHERE type = "
     "2 "
     "AND id IN (SELECT n.id FROM entry e JOIN node n ON n.id = e.node WHERE n.type = 2 AND "
     "n.parent <> e.parent)"},
    {R"sql(WITH names(node, n) AS (SELECT node, count(*) FROM entry GROUP BY node)
           SELECT node.id, printf('node %d says it has %d links, %d names lead to it', node.id, links, names.n)
           FROM names JOIN node ON node.id = names.node WHERE type <> 2 AND links <> names.n)sql",
     "WITH names(node, n) AS MATERIALIZED (SELECT node, count(*) FROM entry GROUP BY node) "
     "UPDATE node SET links = names.n FROM names WHERE names.node = node.id AND node.type <> 2"},
    {R"sql(WITH below(node, n) AS (SELECT parent, count(*) FROM entry WHERE type = 2 GROUP BY parent)
           SELECT node.id, printf('folder %d says it has %d links, it should have %d', node.id, links, 2 + coalesce(below.n, 0))
           FROM node LEFT JOIN below ON below.node = node.id
           WHERE type = 2 AND (links > 0 OR EXISTS (SELECT 1 FROM entry e WHERE e.node = node.id AND e.type = 2))
             AND links <> 2 + coalesce(below.n, 0))sql",
     "UPDATE node SET links = 2 + (SELECT count(*) FROM entry e WHERE e.parent = node.id AND "
     "e.type = 2) "
     "WHERE type = 2 AND (links > 0 OR EXISTS (SELECT 1 FROM entry e WHERE e.node = node.id AND "
     "e.type = 2))"},
    {R"sql(SELECT id, printf('symbolic link %d has no target', id) FROM node WHERE type = 3 AND (target IS NULL OR length(target) = 0))sql",
     ""},
    // Expiry
    {R"sql(SELECT x.node, printf('node %d stands in the queue of what expires, and is no file', x.node) FROM expiry x
           WHERE NOT EXISTS (SELECT 1 FROM node n WHERE n.id = x.node AND n.type = 1))sql",
     "DELETE FROM expiry WHERE node NOT IN (SELECT id FROM node WHERE type = 1)"},
    {R"sql(SELECT n.id, printf('node %d expires, and does not stand under its name in the queue of what does', n.id)
           FROM node n WHERE n.type = 1 AND n.expires IS NOT NULL AND n.links > 0
             AND NOT EXISTS (SELECT 1 FROM expiry x JOIN entry e ON e.parent = x.parent AND e.name = x.name
                             WHERE x.node = n.id AND e.node = n.id))sql",
     "INSERT INTO expiry(node, due, since, transient, parent, name) "
     "SELECT n.id, n.expires, n.created, 1, e.parent, e.name FROM entry e JOIN node n ON n.id = "
     "e.node "
     "WHERE n.type = 1 AND n.expires IS NOT NULL AND n.links > 0 ON CONFLICT(node) DO UPDATE SET "
     "due = "
     "excluded.due, "
     "transient = 1, parent = excluded.parent, name = excluded.name"},
    // Containers
    {R"sql(SELECT e.node, printf('the container "%s" has no row of its own', CAST(e.name AS TEXT))
           FROM entry e JOIN node n ON n.id = e.node LEFT JOIN container c ON c.id = n.container AND c.root = n.id
           WHERE e.parent = 1 AND c.id IS NULL)sql",
     ""},
    {R"sql(SELECT c.root, printf('container %d has no name in the root', c.id) FROM container c
           WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.parent = 1 AND e.node = c.root))sql",
     ""},
    {R"sql(SELECT n.id, printf('node %d is of container %d, its folder of container %d', n.id, n.container, p.container)
           FROM entry e JOIN node n ON n.id = e.node JOIN node p ON p.id = e.parent
           WHERE e.parent <> 1 AND n.container <> p.container)sql",
     ""},
    // Extended attributes
    {R"sql(SELECT NULL, printf('an attribute "%s" of node %d, which does not exist', CAST(x.name AS TEXT), x.node)
           FROM xattr x LEFT JOIN node n ON n.id = x.node WHERE n.id IS NULL)sql",
     "DELETE FROM xattr WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.id = xattr.node)"},
    {R"sql(SELECT id, printf('node %d is wrong about having extended attributes', id) FROM node
           WHERE (flags & 2 <> 0) <> EXISTS (SELECT 1 FROM xattr WHERE xattr.node = node.id))sql",
     "UPDATE node SET flags = flags & ~2 | 2 * EXISTS (SELECT 1 FROM xattr WHERE xattr.node = "
     "node.id)"},
    // Documents
    {R"sql(SELECT NULL, printf('a document "%s" of container %d, which does not exist', CAST(d.kind AS TEXT), d.container)
           FROM document d LEFT JOIN container c ON c.id = d.container WHERE c.id IS NULL)sql",
     "DELETE FROM document WHERE container NOT IN (SELECT id FROM container)"},
    {R"sql(SELECT c.root, printf('the document "%s" of container %d is not JSON', CAST(d.kind AS TEXT), d.container)
           FROM document d JOIN container c ON c.id = d.container WHERE NOT json_valid(CAST(d.body AS TEXT)))sql",
     ""},
    {R"sql(SELECT root, printf('container %d has a quota below nothing', id) FROM container
           WHERE quota_bytes < 0 OR quota_objects < 0)sql",
     ""},
    // Extents; who has which of their blocks is core/audit's
    {R"sql(SELECT NULL, printf('extents %d and %d have one salt', min(id), max(id)) FROM extent
           GROUP BY salt HAVING count(*) > 1)sql",
     ""},
    {R"sql(SELECT x.node, printf('extent %d is in a pack that has no row', x.id) FROM extent x
           LEFT JOIN pack p ON p.id = x.pack WHERE x.pack IS NOT NULL AND p.id IS NULL)sql",
     ""},
    {R"sql(SELECT x.node, printf('extent %d is in the pack of another container', x.id) FROM extent x
           JOIN pack p ON p.id = x.pack WHERE x.container <> p.container)sql",
     ""},
    {R"sql(SELECT node, printf('extent %d lies over another one in its pack', id)
           FROM (SELECT id, node, offset, lag(offset + length) OVER (PARTITION BY pack ORDER BY offset) before
                 FROM extent WHERE pack IS NOT NULL)
           WHERE before > offset OR offset % 4096 <> 0 OR offset < 0)sql",
     ""},
    {R"sql(SELECT NULL, printf('extent %d should have %d bytes in the catalog, and has %d', id, length, coalesce(length(bytes), 0))
           FROM extent WHERE pack IS NULL AND length <> coalesce(length(bytes), 0))sql",
     ""},
    {R"sql(SELECT NULL, printf('a freed range of pack %d, which has no row', f.pack) FROM freed f
           LEFT JOIN pack p ON p.id = f.pack WHERE p.id IS NULL)sql",
     "DELETE FROM freed WHERE pack NOT IN (SELECT id FROM pack)"},
    // Ids: what is handed out next was never used
    {R"sql(SELECT NULL, printf('the next %s is %d, and %d is in use', what, next, used) FROM (
             SELECT 'node id' what, (SELECT value FROM counter WHERE name = 'next_node') next,
                    (SELECT max(id) FROM node) used
             UNION ALL SELECT 'extent id', (SELECT value FROM counter WHERE name = 'next_extent'),
                    (SELECT max(id) FROM extent)
             UNION ALL SELECT 'container id', (SELECT value FROM counter WHERE name = 'next_container'),
                    (SELECT max(id) FROM container))
           WHERE next IS NULL OR next <= used)sql",
     "INSERT INTO counter SELECT 'next_node', max(id) + 1 FROM node WHERE true ON CONFLICT(name) "
     "DO UPDATE SET "
     "value = max(value, excluded.value);"
     "INSERT INTO counter SELECT 'next_extent', coalesce(max(id), 0) + 1 FROM extent WHERE true ON "
     "CONFLICT(name) DO "
     "UPDATE SET value = max(value, excluded.value);"
     "INSERT INTO counter SELECT 'next_container', coalesce(max(id), 0) + 1 FROM container WHERE "
     "true ON "
     "CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)"},
};

}  // namespace

std::span<const AuditRule> audit_rules() {
    return kRules;
}

const char* const kUnreachable =
    "WITH RECURSIVE reached(id) AS MATERIALIZED (SELECT 1 UNION SELECT e.node FROM reached r "
    "CROSS JOIN entry e ON e.parent = r.id), named(id) AS MATERIALIZED (SELECT DISTINCT e.node "
    "FROM entry e JOIN node p ON p.id = e.parent AND p.type = 2) "
    "SELECT n.id, n.type, CASE WHEN c.root IN (SELECT id FROM reached) THEN c.root END, "
    "n.id IN (SELECT id FROM named) "
    "FROM node n LEFT JOIN container c ON c.id = n.container "
    "WHERE n.links > 0 AND n.id NOT IN (SELECT id FROM reached) ORDER BY n.type <> 2, n.id";

}  // namespace reelfs::catalog
