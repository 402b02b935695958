
// lunr takes two nodes of its set of words for one where the names of their edges and numbers read alike ("1" and "23",
// "12" and "3"): it then finds words that are not there, and gives up the search. With separators no two read alike.
lunr.TokenSet.prototype.toString = function () {
    if (this._str) return this._str;
    const edges = Object.keys(this.edges).sort();
    return `${this.final ? 1 : 0}${edges.map((label) => `|${label}>${this.edges[label].id}`).join("")}`;
};
