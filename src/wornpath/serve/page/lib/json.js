// JSON in which whole numbers stay as they were written: those above 2^53 would be rounded by the language's numbers.

const exact = (key, value, context) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source && JSON.rawJSON
    ? JSON.rawJSON(context.source)
    : value;

export const parseJson = (text) => JSON.parse(text, exact);
