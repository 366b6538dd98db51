#!/usr/bin/env python3
"""Plants bugs in copies of the library, one at a time, and expects the death tests to fail.

Description: if this failed, the death tests could pass although a protocol is broken.

    planted.py SOURCE-ROOT WORK-FOLDER CC ENGINES.a HOOKED.a

Each bug is one replacement in one file of src/, which is then compiled with hooks, as meson.build
does it, and linked with the cases. A replacement that doesn't fit any more is a failure, too: the
protocol was changed, and its bug must be planted anew.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

# What is broken; file; what stands there; what shall stand there; the cases that must see it.
BUGS = [
    ('a task is taken in one store and its taker named in the next', 'pool/slot.c',
     '!ctl_move(slot, seen, SLOT_TAKEN, ctl_tries(seen), worker))\n        return false;\n',
     '!ctl_move(slot, seen, SLOT_TAKEN, ctl_tries(seen), 0xFFFE))\n        return false;\n'
     '    store_relaxed(&slot->ctl, (load_relaxed(&slot->ctl) & ~UINT64_C(0xFFFF00)) |\n'
     '                                  (uint64_t)worker << 8);\n',
     'slot: take'),
    ('a slot is published before its task can be taken', 'pool/slot.c',
     '    ctl_move(slot, load_relaxed(&slot->ctl), SLOT_READY, 0, 0); /* [R] */\n'
     '    store_release(&board->tail, (count + 1) << TAIL_SHIFT | index);\n',
     '    store_release(&board->tail, (count + 1) << TAIL_SHIFT | index);\n'
     '    ctl_move(slot, load_relaxed(&slot->ctl), SLOT_READY, 0, 0); /* [R] */\n',
     'worker: two tasks'),
    ('a result is published before it is said to be one', 'pool/slot.c',
     '    slot->outcome = outcome;\n'
     '    ctl_move(slot, seen, SLOT_DONE, ctl_tries(seen), worker); /* [F] */\n',
     '    ctl_move(slot, seen, SLOT_DONE, ctl_tries(seen), worker); /* [F] */\n'
     '    slot->outcome = outcome;\n',
     'slot: two work'),
    ('a task that is put back is put where nobody looks', 'pool/slot.c',
     'may have put something there. */\n    atomic_fetch_add(&board->requeued, 1);\n',
     'may have put something there. */\n',
     'worker: two tasks, with a retry'),
    ('the repair forgets that a task has ended already', 'pool/slot.c',
     'if (ctl_state(seen) != SLOT_TAKEN || ctl_owner(seen) != dead)',
     'if (ctl_state(seen) < SLOT_TAKEN || ctl_owner(seen) != dead)',
     'slot: take'),
    ('half a block is free before its owner has given it away', 'pool/job.c',
     '        store_total(&job->block[b].word, word);                                        /* [3] */\n'
     '        store_total(&job->block[s].word, word_make(0, 0, 0, 0, end - middle)); /* [4] */\n',
     '        store_total(&job->block[s].word, word_make(0, 0, 0, 0, end - middle)); /* [4] */\n'
     '        store_total(&job->block[b].word, word);                                        /* [3] */\n',
     'job: split'),
    ('a block is looked at only when it has been given away', 'pool/job.c',
     '        use(job, s);\n', '',
     'job: two share'),
    ('the repair looks at blocks before splits', 'pool/job.c',
     'word_owner(word) == dead + 1 && word_width(word) >= RESERVED)\n'
     '            repair_split(job, &job->block[b], word);\n',
     'word_owner(word) == dead + 1 && word_width(word) < RESERVED)\n'
     '            again += repair_block(job, dead, &job->block[b], word, end, pid);\n'
     '    }\n'
     '    for (uint32_t b = 0; b < job->table; b++) {\n'
     '        uint64_t word = load_acquire(&job->block[b].word);\n\n'
     '        if (word_owner(word) == dead + 1 && word_width(word) >= RESERVED)\n'
     '            repair_split(job, &job->block[b], word);\n',
     'job: split'),
    ('a map says that a unit is done before it has run it', 'pool/job.c',
     '        t->end = i;\n        code = function(t);\n',
     '        t->end = i;\n        if (word_position(word) + 1 < word_end(word))\n'
     '            store_release(shared, word + POSITION_ONE);\n        code = function(t);\n',
     'job: advance'),
    ('the first page of a run is free before the others', 'memory/alloc.c',
     '    uint64_t hint = load_relaxed(&arena->shm->free_hint);\n\n    for',
     '    uint64_t hint = load_relaxed(&arena->shm->free_hint);\n\n'
     '    if (load_acquire(arena_word(arena, head)) == word)\n'
     '        store_release(arena_word(arena, head), 0);\n    for',
     'alloc: large'),
    ('the sweep passes over what is under way', 'memory/alloc.c',
     'else if (word_kind(word) == TRANSIT) {', 'else if (word_kind(word) == KINDS) {',
     'alloc: large'),
    ('a small block that another hands on at the same time is said to be none', 'memory/alloc.c',
     '        } while (!swap_if(small, &owner, to));\n        return 0;\n',
     '        } while (0);\n        return swap_if(small, &owner, to) ? 0 : -EINVAL;\n',
     'alloc: a small one of the dead is handed on twice'),
    ('a large block that another hands on at the same time can\'t be freed', 'memory/alloc.c',
     '    } while (!swap_if(arena_word(arena, page), &run, page_word(TRANSIT, word_value(run), me))); /* [C] */\n'
     '    take_apart',
     '    } while (0);\n'
     '    if (!swap_if(arena_word(arena, page), &run, page_word(TRANSIT, word_value(run), me)))\n'
     '        return -EINVAL;\n'
     '    take_apart',
     'alloc: one gives a large one, one frees it'),
    ('who rings looks for sleepers before it counts', 'pool/gate.c',
     '    unsigned worker;\n\n    atomic_fetch_add(&gate->event, 1);\n'
     '    if ((wake == 1 && searchers(gate) > 0) || (worker = sleeper(gate)) == GATE_WORKERS)\n',
     '    unsigned worker = sleeper(gate);\n\n    atomic_fetch_add(&gate->event, 1);\n'
     '    if ((wake == 1 && searchers(gate) > 0) || worker == GATE_WORKERS)\n',
     'worker: two tasks'),
    ('the dead leave their bits in the gate, and nobody is woken', 'pool/gate.c',
     '    gate_ring(gate, GATE_ALL);\n', '',
     'worker: two tasks'),
    ('a death wakes nobody', 'life/roster.c',
     '    atomic_fetch_add(&roster->deaths, 1);\n    wake_all();\n    for',
     '    atomic_fetch_add(&roster->deaths, 1);\n    for',
     'lock: two change'),
    ('a thread falls asleep although somebody has died meanwhile', 'life/roster.c',
     '    r = os_futex_wait_many(list, count + 1, deadline);\n',
     '    r = load_total(&roster->deaths) == deaths ? os_futex_wait_many(list, count, deadline) : 0;\n',
     'lock: two change'),
    ('who has slept takes the lock as if nobody else did', 'sync/lock.c',
     'if (!swap_if(&lock->word, &word, me | bit)) /* [A] */',
     'if (!swap_if(&lock->word, &word, me)) /* [A] */',
     'lock: three change'),
    ('a lock of the dead is taken as if it were free', 'sync/lock.c',
     'me | (word & WAITERS) | bit | HURT)) /* [T] */', 'me | (word & WAITERS) | bit)) /* [T] */',
     'lock: inherit'),
    ('a wake-up does not reach who listens', 'life/roster.c',
     '    if (__builtin_expect(load_total(listening) != 0, 0) && atomic_exchange(listening, 0) != 0)\n'
     '        os_bell_ring(bell);\n',
     '    (void)bell;\n',
     'wait: one sets'),
    ('a listener says that it listens once the last ring is forgotten only', 'life/roster.c',
     '    os_listener_hear(listener);\n    store_total(listening, 1);\n',
     '    store_total(listening, 1);\n    os_listener_hear(listener);\n',
     'wait: one rings twice'),
    ('a death rings only where somebody is known to listen', 'life/roster.c',
     '    store_total(listening, 0);\n    os_bell_ring(bell); /* also',
     '    if (atomic_exchange(listening, 0) != 0)\n        os_bell_ring(bell); /* also',
     'wait: one sets'),
    ('a block is on its way, and nobody has said so', 'life/handover.c',
     '    store_release(&party->moving, block); /* [1] */\n', '    (void)block;\n',
     'handover: adopt'),
    ('a block that nothing names any more stays the crew\'s', 'life/handover.c',
     '        alloc_transfer(roster_arena(), roster_at(block), OWNER_CREW, process);\n    store_release',
     '        (void)process;\n    store_release',
     'handover: disown'),
    ('a page is given a visitor, and not marked', 'memory/alloc.c',
     '    while (word_kind(word) == SMALL && word_owner(word) != to',
     '    while (to == 0 && word_kind(word) == SMALL && word_owner(word) != to',
     'handover: disown'),
    ('who comes to an end is not counted', 'channel/end.c',
     '(word & ~NAMED) | ((word + 1) & NAMED))); /* [B] */', 'word)); /* [B] */',
     'end: the last closes, one begins'),
    ('the place of the dead is taken, and nobody hears of the death', 'channel/end.c',
     '        if (user != 0 && !(user & GONE))\n            atomic_fetch_or(&end->word, DIED);\n', '',
     'end: '),
    ('who is to be notified is looked at before it is chosen, not after', 'sync/condition.c',
     '    was = atomic_exchange(at, chosen); /* [N] */\n'
     '    if (party_is_dead(party)) {\n        leave(c, n);\n        return false;\n    }\n',
     '    if (party_is_dead(party)) {\n        leave(c, n);\n        return false;\n    }\n'
     '    was = atomic_exchange(at, chosen); /* [N] */\n',
     'condition: two have'),
    ('who falls asleep while it is notified sleeps on', 'sync/condition.c',
     '            !swap_if(at, &word, make(SLEEPING, me, turn->ticket))) /* [Z] */\n            continue;\n',
     '            (atomic_exchange(at, make(SLEEPING, me, turn->ticket)), false)) /* [Z] */\n'
     '            continue;\n',
     'condition: one takes, one puts'),
    ('a notification that the dead left is nobody\'s', 'sync/condition.c',
     ' ||\n            left_by_the_dead(c, turn->ticket) != NONE)', ')',
     'condition: two'),
    ('who waits does not ask whether the holder of the lock has died', 'sync/condition.c',
     'state_of(word) == CHOSEN || lock_owner_died(c->lock, turn->died) ||',
     'state_of(word) == CHOSEN ||',
     'condition: one takes, one puts'),
    ('a lock that was mended has no dead', 'sync/condition.c',
     'if (notified(c, turn) || load_relaxed(&lock->died) != turn->died) {', 'if (notified(c, turn)) {',
     'condition: one takes, one puts and dies'),
    ('a notification is taken by who came after it', 'sync/condition.c',
     'state_of(word) == CHOSEN && earlier(ticket, ticket_of(word)) &&', 'state_of(word) == CHOSEN &&',
     'condition: wait after'),
    ('the ticket of a notification is that of the notified', 'sync/condition.c',
     'uint64_t chosen = make(CHOSEN, party, load_relaxed(&c->tickets)), was;',
     'uint64_t chosen = make(CHOSEN, party, ticket_of(load_relaxed(at))), was;',
     'condition: two wait'),
    ('how a round ended is read from the state of the next', 'sync/barrier.c',
     'if (((word ^ turn->begun) & RELEASES) == 0)', 'if (word & BROKEN)',
     'barrier: two wait, one aborts'),
    ('who waits does not look whether the others live', 'sync/barrier.c',
     '        if (is_dead(place)) {\n            if (!b->shrinks)', '        if (false) {\n            if (!b->shrinks)',
     'barrier: two'),
    ('an action whose runner has died is waited for', 'sync/barrier.c',
     'else if (leader_is_dead(b, word))', 'else if (false)',
     'barrier: two wait twice and act'),
    ('who falls asleep does not say so', 'sync/barrier.c',
     '        if (!(word & SLEEPERS) && !swap_if(&b->word, &word, word | SLEEPERS))\n            continue;\n'
     '        if (party_sleep(me, lower_half(b), (uint32_t)(word | SLEEPERS),',
     '        if (party_sleep(me, lower_half(b), (uint32_t)word,',
     'barrier: two wait'),
    ('places are freed before the barrier is broken', 'sync/barrier.c',
     '    barrier_abort(b);\n    for', '    for',
     'barrier: reset'),
    ('one that was dead before it was expected is waited for', 'sync/barrier.c',
     '        party_wake_all(); /* its death', '        ; /* its death',
     'barrier: one waits'),
    ('who releases a permit rings before it is free', 'sync/semaphore.c',
     '            store_release(&s->permit[i].owner, 0); /* [R] */\n            given++;\n        }\n'
     '    if (given == 0)\n        return 0;\n    bell = atomic_fetch_add(&s->bell, CHANGE); /* [B] */\n',
     '            bell = atomic_fetch_add(&s->bell, CHANGE); /* [B] */\n'
     '            store_release(&s->permit[i].owner, 0); /* [R] */\n            given++;\n        }\n'
     '    if (given == 0)\n        return 0;\n',
     'semaphore: two use one'),
    ('a waiter looks at the permits, and then at the bell', 'sync/semaphore.c',
     '        uint32_t bell = load_total(&s->bell);\n'
     '        int r = take_all(s, me, count, deadline);\n',
     '        int r = take_all(s, me, count, deadline);\n'
     '        uint32_t bell = load_total(&s->bell);\n',
     'semaphore: two use one'),
    ('permits stay with the dead', 'sync/semaphore.c',
     '        bool dead = owner != 0 && party_is_dead(owner);\n', '        bool dead = false;\n',
     'semaphore: acquire what'),
    ('one is woken although it may want more than was added', 'sync/semaphore.c',
     '        all = count > 1 || word & SLEEPS_FOR_MANY;\n', '        all = count > 1;\n',
     'semaphore: one adds twice'),
    ('who looks for the oldest message believes what it saw on the way', 'channel/ring.c',
     '    while (r == 0 && !*first) {\n', '    while (r == 0 && !*first && position == UINT64_MAX) {\n',
     'queue: one puts two'),
    ('a reader believes bytes that were overwritten meanwhile', 'channel/ring.c',
     '    if (!swap_if(&slot->word, &word, next)) { /* [T]',
     '    store_total(&slot->word, next);\n    if (word == 0) { /* [T]',
     'queue: one puts, two get'),
    ('a message that a dead reader held stays with it', 'channel/ring.c',
     '        store_total(&slot->word, word_make(BLOCK, lap, FROM_THE_DEAD));\n    } else {\n',
     '        (void)lap;\n    } else {\n',
     'queue: get a long message'),
    ('the bit of the waiters is cleared over one who has just fallen asleep', 'channel/queue.c',
     '    if (!party_wake(word, count) && swap_if(word, &next, (next + 1) & ~WAITERS))\n'
     '        party_wake(word, INT32_MAX);\n',
     '    if (!party_wake(word, count))\n        swap_if(word, &next, (next + 1) & ~WAITERS);\n',
     'queue: one puts two'),
    ('a lease of the dead is put back, and its slot too', 'channel/queue.c',
     '            ring_drop(&queue->ring[level], who, &place);\n', '',
     'queue: get and do'),
    ('who puts looks whether it is shut, and then claims', 'channel/ring.c',
     '    if (load_total(shut)) {\n', '    if (load_total(shut) > 1) {\n',
     'queue: one shuts and empties'),
    ('a message in somebody\'s hand counts as gone', 'channel/ring.c',
     '        if (behind == 0)\n            none = -EBUSY;\n',
     '        if (behind == 0 && word_state(word) == FILLING)\n            none = -EBUSY;\n',
     'queue: one gets a long message, one shuts'),
    ('a slot of one priority is told to who waits for another', 'channel/queue.c',
     'wake(&queue->space, queue->levels == 1 ? 1 : INT32_MAX);', 'wake(&queue->space, 1);',
     'queue: two put at their priorities'),
    ('who peeks holds the message, and puts it back without a word', 'channel/ring.c',
     '    if (!swap_if(&slot_at(ring, place->index)->word, &same, word))\n        return -EAGAIN;\n'
     '    if (!block)\n',
     '    (void)same;\n    if (!hold(ring, me, place, word))\n        return -EAGAIN;\n'
     '    ring_put_back(ring, place);\n    if (!block)\n',
     'queue: one peeks'),
    ('a reader looks for a writer, and then says that it is there', 'sync/rwlock.c',
     '    use_line(rw, me);\n    while (__builtin_expect(!swap_if(own, &word, me), 0)) { /* [A] */\n'
     '        if ((word & OWNER) == me)\n            return -EDEADLK;\n'
     '        leave(own); /* of the dead that had our number */\n        word = 0;\n    }\n'
     '    if (__builtin_expect(load_total(&rw->writer.word) != 0, 0)) /* [L] */\n',
     '    use_line(rw, me);\n    uint32_t writer = load_total(&rw->writer.word);\n'
     '    while (__builtin_expect(!swap_if(own, &word, me), 0)) { /* [A] */\n'
     '        if ((word & OWNER) == me)\n            return -EDEADLK;\n'
     '        leave(own); /* of the dead that had our number */\n        word = 0;\n    }\n'
     '    if (writer != 0)\n',
     'rwlock: one reads, one tries'),
    ('who lets go does not look again for readers that came meanwhile', 'sync/rwlock.c',
     '    tell_all(rw, poke);\n', '',
     'rwlock: one writes, one reads'),
    ('a writer waits for dead readers', 'sync/rwlock.c',
     '        if (party_is_dead(word & OWNER)) {\n            swap_if(at, &word, 0);\n            continue;\n'
     '        }\n', '',
     'rwlock: write after a dead reader'),
    ('what a dead writer left is taken for whole', 'sync/rwlock.c',
     '    if (load_acquire(&rw->inside) != 0) {\n', '    if (load_acquire(&rw->inside) == me) {\n',
     'rwlock: read what a dead writer left'),
    ('who sends looks for sleepers before the message is there', 'channel/line.c',
     '    if (block)\n        ring_publish_block(&line->ring, me, place, block, size);\n'
     '    else\n        ring_publish(&line->ring, place, bytes, size);\n    changed(&line->items);\n',
     '    changed(&line->items);\n    if (block)\n'
     '        ring_publish_block(&line->ring, me, place, block, size);\n'
     '    else\n        ring_publish(&line->ring, place, bytes, size);\n',
     'line: one sends, one'),
    ('who receives looks for messages before it looks at the end', 'channel/line.c',
     'if (over != 0 && ring_count(&shm->ring) == 0)', 'if (line_over(line, party_deaths()) != 0)',
     'line: one sends and closes'),
    ('who gets an rlock does not begin to count', 'sync/rlock.c',
     '    if (r == 0 || r == CREW_EOWNERDEAD)\n        lock->depth = 1;\n', '',
     'rlock: acquire twice'),
    ('an rlock is free after its first release', 'sync/rlock.c',
     '    return --lock->depth > 0 ? 0 : lock_release(lock, me);\n',
     '    lock->depth--;\n    return lock_release(lock, me);\n',
     'rlock: acquire twice'),
    ('what is done once is said to be done before it is', 'sync/once.c',
     '        r = function(context);\n        if (r >= 0)\n'
     '            store_release(&once->done, 1); /* [S] */\n',
     '        store_release(&once->done, 1); /* [S] */\n        r = function(context);\n',
     'once: run'),
    ('what is done once is done by each that waited', 'sync/once.c',
     '    if (load_relaxed(&once->done) == 0) {\n', '    if (r == 0) {\n',
     'once: two run'),
    ('a reader sleeps for a writer that has gone, for another one has said already that somebody waits',
     'sync/rwlock.c',
     '        if (writer == 0 || load_total(&rw->writer.word) != writer)\n            continue;',
     '        (void)writer;\n',
     'rwlock: one writes'),
]

HOOKS = ['-fsanitize=thread', '-fno-builtin', '-U_FORTIFY_SOURCE', '-w']
WRAPS = ['-Wl,--wrap=memcpy', '-Wl,--wrap=memset', '-Wl,--wrap=memmove']


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', check=False, **more)


def build(root, folder, cc, archives, planted):
    """Builds the death test with the planted file, a path and its text, in the place of its own."""
    os.makedirs(folder, exist_ok=True)
    flags = ['-std=gnu17', '-O1', '-g', '-D_GNU_SOURCE=', '-fno-omit-frame-pointer',
             '-I', root + '/include', '-I', root + '/src', '-I', root + '/tests/death']
    objects = []
    if planted:
        path, text = planted
        name = os.path.join(folder, os.path.basename(path))
        with open(name, 'w', encoding='utf-8') as f:
            f.write(text)
        objects.append(name)
        flags += ['-iquote', os.path.dirname(os.path.join(root, 'src', path))]
        r = run(cc + flags + HOOKS + ['-c', name, '-o', name + '.o'])
        if r.returncode != 0:
            return None, r.stdout
        objects = [name + '.o']
    program = os.path.join(folder, 'every_store')
    r = run(cc + flags + [root + '/tests/death/store_main.c'] + objects + archives + WRAPS +
            ['-pthread', '-lm', '-o', program])
    return (program, '') if r.returncode == 0 else (None, r.stdout)


def plant(root, path, old, new):
    with open(os.path.join(root, 'src', path), encoding='utf-8') as f:
        text = f.read()
    if text.count(old) != 1:
        return None
    return path, text.replace(old, new)


def replay(program, first, environment):
    """What went wrong is done again by its number alone. Returns whether the same goes wrong."""
    again = re.search(r"^# again: CREW_DEATH_REPLAY=(\w+) \S+ '(.*)'$", first, re.M)
    if not again:
        return False
    r = run([program, again[2]], env=dict(environment, CREW_DEATH_REPLAY=again[1]), timeout=120)
    wrong = re.search('^# first: .*', first, re.M)
    return r.returncode == 1 and wrong and wrong[0] in r.stdout.splitlines()


def try_one(number, bug, root, work, cc, archives):
    """Returns whether it was found, and what is to be told."""
    _, path, old, new, cases = bug
    environment = dict(os.environ, CREW_DEATH_STATES='3000', CREW_DEATH_SCHEDULES='10000',
                       CREW_DEATH_KILLS='0', CREW_DEATH_PROCESSES='1')
    planted = plant(root, path, old, new)
    if not planted:
        return False, 'it does not fit any more: plant it anew'
    program, why = build(root, os.path.join(work, f'bug{number}'), cc, archives, planted)
    if not program:
        return False, why
    r = run([program, cases], env=environment, timeout=120)
    lines = r.stdout.splitlines()
    bad = [i for i, line in enumerate(lines) if line.startswith('not ok')]
    if r.returncode != 1 or not bad:
        return False, 'nobody noticed'
    first = '\n'.join(lines[bad[0]:bad[0] + 3])
    if not replay(program, first, environment):
        return False, first + '\nbut its number does not bring it again'
    return True, first


def main():
    root, work = sys.argv[1:3]
    cc, archives = sys.argv[3].split(), [sys.argv[5], sys.argv[4], sys.argv[5]]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tries = [pool.submit(try_one, number, bug, root, work, cc, archives)
                 for number, bug in enumerate(BUGS, 1)]
        for number, (bug, t) in enumerate(zip(BUGS, tries), 1):
            found, told = t.result()
            failed += not found
            print(f'{"" if found else "not "}ok {number} - planted in src/{bug[1]}: {bug[0]}')
            for line in told.splitlines():
                print('#', line)
            sys.stdout.flush()
    print(f'1..{len(BUGS)}')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
