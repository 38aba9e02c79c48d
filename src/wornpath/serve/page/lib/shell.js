// Shell commands as people write them into a field.

/** The commands of TEXT, one a line; a line break within quotes, or after a backslash, is part of its command. */
export function shellCommands(text) {
  const out = [];
  let command = "";
  let quote = "";
  const end = () => {
    if (command.trim()) out.push(command.trim());
    command = "";
  };
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (c === "\\" && quote !== "'" && i + 1 < text.length) {
      command += c + text[i + 1];
      i += 1;
    } else if (quote) {
      command += c;
      if (c === quote) quote = "";
    } else if (c === "\n") end();
    else {
      command += c;
      if (c === "'" || c === '"') quote = c;
    }
  }
  end();
  return out;
}
