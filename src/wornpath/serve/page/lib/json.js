// JSON in which whole numbers go back as they came: those above 2^53 would be rounded by the language's numbers.

const exact = (key, value, context) => {
  if (!Number.isInteger(value) || Number.isSafeInteger(value) || !context?.source || !JSON.rawJSON) return value;
  return Object.assign(new Number(value), { toJSON: () => JSON.rawJSON(context.source) }); // still a number to everybody else
};

export const parseJson = (text) => JSON.parse(text, exact);
