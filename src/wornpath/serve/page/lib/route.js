// The address of what is shown: the parts after the # sign, decoded. One that a person mistyped is taken as it stands.

export const addressParts = () => location.hash.replace(/^#\/?/, "").split("/").map(decoded);

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
