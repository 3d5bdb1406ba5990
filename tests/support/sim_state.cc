#include "support/sim_state.h"

#include <algorithm>
#include <set>

namespace reelfs::test {

namespace {

/// Copies a tree; `make` copies one node without its children and says which children it has.
template <class Make>
NodePtr copy_tree(const NodePtr& node, std::map<const Node*, NodePtr>& copies, const Make& make) {
    if (auto known = copies.find(node.get()); known != copies.end()) return known->second;
    NodePtr copy = std::make_shared<Node>();
    copies.emplace(node.get(), copy);
    copy->id = node->id;
    copy->is_directory = node->is_directory;
    auto [names, durable_names] = make(*node, *copy);
    for (const auto& [name, child] : names) copy->names[name] = copy_tree(child, copies, make);
    for (const auto& [name, child] : durable_names)
        copy->durable_names[name] = copy_tree(child, copies, make);
    return copy;
}

/// Gives each node its own copy of the volume it is on, and counts the pages of files with a name.
void copy_volumes(const std::map<const Node*, NodePtr>& copies) {
    std::map<const Volume*, std::shared_ptr<Volume>> volumes;
    for (const auto& [node, copy] : copies) {
        std::shared_ptr<Volume>& volume = volumes[node->volume.get()];
        if (!volume) {
            volume = std::make_shared<Volume>(*node->volume);
            volume->pages_used = 0;
        }
        copy->volume = volume;
        volume->pages_used += copy->content.page_count();
    }
}

}  // namespace

Error error_at(Errc code, std::string_view call, const std::string& path) {
    return {code, std::string(call) + " " + path + ": " + std::string(name_of(code))};
}

std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < path.size();) {
        std::size_t end = std::min(path.find('/', at), path.size());
        if (end > at) parts.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

std::shared_ptr<State> State::killed() const {
    MutexLock lock(mutex);
    std::map<const Node*, NodePtr> copies;
    auto make = [](const Node& node, Node& copy) {
        copy.durable = node.durable;
        copy.log = node.log;
        copy.linked = node.linked;
        if (node.linked) copy.content = node.content;
        return std::pair(node.names, node.durable_names);
    };
    auto state = std::make_shared<State>();
    MutexLock fresh(state->mutex);
    state->root = copy_tree(root, copies, make);
    // Operations on directories that have lost their own name still tie others together.
    for (const DirectoryChange& change : log) {
        DirectoryChange copy{change.sequence, {}};
        for (const auto& edit : change.edits)
            copy.edits.push_back({copy_tree(edit.directory, copies, make), edit.name,
                                  edit.node ? copy_tree(edit.node, copies, make) : nullptr});
        state->log.push_back(std::move(copy));
    }
    copy_volumes(copies);
    state->thin = thin;
    state->next_node = next_node;
    state->next_device = next_device;
    state->sequence = sequence;
    return state;
}

template <class MakeImage>
std::shared_ptr<State> State::crashed_with(const Kept& kept, const MakeImage& image) const {
    std::map<const Node*, NodePtr> copies;
    auto make = [&](const Node& node, Node& copy) {
        if (!node.is_directory) {
            copy.durable = image(node);
            copy.content = copy.durable;
        }
        auto names = kept.find(&node);
        const Names& left = names == kept.end() ? node.durable_names : names->second;
        return std::pair(left, left);
    };
    auto state = std::make_shared<State>();
    MutexLock fresh(state->mutex);
    state->root = copy_tree(root, copies, make);
    copy_volumes(copies);
    state->thin = thin;
    state->next_node = next_node;
    state->next_device = next_device;
    state->sequence = sequence;
    return state;
}

std::shared_ptr<State> State::crashed(Crash choice, Random& random) const {
    MutexLock lock(mutex);
    const std::uint64_t at = moment(random);
    return crashed_with(names_after_crash(choice, at, random), [&](const Node& node) {
        return image_after_crash(node.durable, node.log, choice, at, random);
    });
}

std::shared_ptr<State> State::crashed(const Cut& cut) const {
    MutexLock lock(mutex);
    return crashed_with(names_after_cut(cut), [&](const Node& node) {
        return image_after_cut(node.durable, node.log, cut);
    });
}

/// Everything that has, had or may have a name.
std::vector<const Node*> State::reachable() const {
    std::set<const Node*> seen{root.get()};
    std::vector<const Node*> queue{root.get()};
    auto visit = [&](const NodePtr& node) {
        if (node && seen.insert(node.get()).second) queue.push_back(node.get());
    };
    for (const DirectoryChange& change : log)
        for (const auto& edit : change.edits) visit(edit.node);
    for (std::size_t i = 0; i < queue.size(); ++i) {
        for (const auto& [name, child] : queue[i]->names) visit(child);
        for (const auto& [name, child] : queue[i]->durable_names) visit(child);
    }
    return queue;
}

std::vector<Pending> State::pending() const {
    MutexLock lock(mutex);
    std::vector<Pending> pending;
    for (const DirectoryChange& change : log) pending.push_back({.sequence = change.sequence});
    for (const Node* node : reachable())
        for (const Change& change : node->log) {
            Pending one{.sequence = change.sequence};
            if (change.kind == Change::Kind::kWrite) {
                one.offset = change.offset;
                one.length = change.length;
                one.pages.clear();
                for (std::uint64_t page = change.offset / kPageBytes;
                     page * kPageBytes < change.offset + change.length; ++page)
                    one.pages.push_back(page);
            }
            pending.push_back(std::move(one));
        }
    std::sort(pending.begin(), pending.end(),
              [](const Pending& a, const Pending& b) { return a.sequence < b.sequence; });
    return pending;
}

/// One of the sequence numbers not yet synced, by chance.
std::uint64_t State::moment(Random& random) const {
    std::vector<std::uint64_t> pending;
    for (const DirectoryChange& change : log) pending.push_back(change.sequence);
    for (const Node* node : reachable())
        for (const Change& change : node->log) pending.push_back(change.sequence);
    std::sort(pending.begin(), pending.end());
    const auto choice = random.integer<std::uint64_t>();
    return pending.empty() ? sequence : pending[choice % pending.size()];
}

/// The names of each directory whose unsynced operations survived in part.
State::Kept State::names_after_crash(Crash choice, std::uint64_t moment, Random& random) const {
    std::map<const Node*, std::uint64_t> operations;  // how many each directory may still keep
    std::vector<const Node*> order;
    for (const DirectoryChange& change : log) {
        std::set<const Node*> touched;
        for (const auto& edit : change.edits) touched.insert(edit.directory.get());
        for (const Node* directory : touched)
            if (operations[directory]++ == 0) order.push_back(directory);
    }
    std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->id < b->id; });
    for (const Node* directory : order)
        operations[directory] = random.integer<std::uint64_t>() % (operations[directory] + 1);

    Kept kept;
    std::set<const Node*> stopped;
    for (const DirectoryChange& change : log) {
        bool survives = choice != Crash::kSynced;
        if (choice == Crash::kTorn) survives = change.sequence <= moment;
        if (choice == Crash::kSubset || choice == Crash::kMixed)
            for (const auto& edit : change.edits)
                survives = survives && stopped.count(edit.directory.get()) == 0 &&
                           operations[edit.directory.get()] > 0;
        std::set<const Node*> touched;
        for (const auto& edit : change.edits) touched.insert(edit.directory.get());
        if (!survives) {
            stopped.insert(touched.begin(), touched.end());
            continue;
        }
        for (const Node* directory : touched)
            if (operations[directory] > 0) --operations[directory];
        for (const auto& edit : change.edits) {
            auto names = kept.try_emplace(edit.directory.get(), edit.directory->durable_names);
            apply(names.first->second, edit);
        }
    }
    return kept;
}

State::Kept State::names_after_cut(const Cut& cut) const {
    Kept kept;
    std::set<const Node*> stopped;
    for (const DirectoryChange& change : log) {
        bool survives = cut.kept(change.sequence, 0);
        for (const auto& edit : change.edits)
            survives = survives && stopped.count(edit.directory.get()) == 0;
        for (const auto& edit : change.edits) {
            if (!survives) {
                stopped.insert(edit.directory.get());
                continue;
            }
            auto names = kept.try_emplace(edit.directory.get(), edit.directory->durable_names);
            apply(names.first->second, edit);
        }
    }
    return kept;
}

}  // namespace reelfs::test
