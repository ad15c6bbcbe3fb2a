// Random values that depend on a text only.

// Returns a generator of numbers from 0 to 1 (FNV-1a and mulberry32).
export function randomNumbers(text) {
    let state = 0x811c9dc5;
    for (const character of text) {
        state = Math.imul(state ^ character.codePointAt(0), 0x01000193);
    }
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

export function integer(random, bound) {
    return Math.floor(random() * bound);
}

export function pick(random, values) {
    return values[integer(random, values.length)];
}
