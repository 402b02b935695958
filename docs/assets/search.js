// The search takes what is typed as text. Without this, a pasted error message is read as a query: what is in quotes
// would be required, a word after a hyphen forbidden, and every word would be the beginning of others.
const COMMON_WORDS = new Set(
    "a an and are as at be but by for from got has have in is it its no not of on one or that the there to wanted which with".split(" "),
);

// The query for a text: the words that tell something. Of four words and more, whole words only ("^1" says that).
function queryOfText(text) {
    const parts = text.toLowerCase().split(/[\s"+~^*:,;!?=()[\]{}`/\\|<>]+/);
    const words = parts.map((part) => part.replace(/^-+|[-.]+$/g, "")).filter(Boolean);
    const telling = words.filter((word) => !COMMON_WORDS.has(word));
    const used = telling.length > 0 ? telling : words;
    return words.length < 4 ? used.join(" ") : used.map((word) => `${word}^1`).join(" ");
}

if (typeof Worker !== "undefined") {
    const QUERY = 2;
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message, ...rest) {
        const isQuery = message?.type === QUERY && typeof message.data === "string";
        return post.call(this, isQuery ? { ...message, data: queryOfText(message.data) } : message, ...rest);
    };
}
