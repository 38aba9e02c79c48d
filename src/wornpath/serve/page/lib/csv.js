// CSV as RFC 4180 has it, with the separator that the first line suggests.

/** The rows of TEXT, at most MOST of them, and whether there are more. */
export function parseCsv(text, most = 500) {
  const separator = guess(text.slice(0, 4000));
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const endCell = () => {
    row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  };
  const start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  for (let i = start; i < text.length; i += 1) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === separator) endCell();
    else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i += 1;
      endRow();
      if (rows.length >= most) return { rows, more: i + 1 < text.length };
    } else cell += c;
  }
  if (cell !== "" || row.length) endRow();
  return { rows, more: false };
}

function guess(text) {
  const line = text.split(/\r?\n/, 1)[0];
  const count = (c) => line.split(c).length - 1;
  return [",", ";", "\t", "|"].reduce((best, c) => (count(c) > count(best) ? c : best), ",");
}

/** Whether most of VALUES are numbers, so that their column is set flush right. */
export function numeric(values) {
  const told = values.filter((value) => value !== undefined && value.trim() !== "");
  return told.length > 0 && told.every((value) => /^[-+−]?[\d\s.,]+(e[-+]?\d+)?\s*%?$/i.test(value.trim()));
}
