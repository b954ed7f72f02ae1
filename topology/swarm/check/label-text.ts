/**
 * Labels in a model's metadata, in the forms that exporters write. A JSON list, an object or a Python dict by position (`{0: 'cat', 1: 'dog'}`, by
 * Ultralytics), lines, or words with commas between them. Null for any other text.
 */
export function labelsOfText(text: string): readonly string[] | null {
  const trimmed = text.trim()
  if (/^[[{(]/.test(trimmed)) return labelsOfJson(trimmed) ?? labelsOfPython(trimmed)
  // A single word is no list of labels. The word may be anything, such as the number of the classes.
  const separator = ['\n', ','].find((one) => trimmed.includes(one))
  return separator === undefined ? null : labelsOfLines(trimmed.replaceAll(separator, '\n'))
}

/** The labels of a text, one in each line. Null if there are no labels, or if an empty line lies between two labels. */
export function labelsOfLines(text: string): readonly string[] | null {
  const lines = text
    .replace(/^\uFEFF/, '')
    .trimEnd()
    .split('\n')
    .map((line) => line.trim())
  return lines.includes('') ? null : lines
}

/** A list, or an object whose names are the positions 0, 1, … Null for any other text. */
export function labelsOfJson(text: string): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return value === null || typeof value !== 'object' ? null : inOrder(Object.entries(value))
  } catch {
    return null
  }
}

/** A list, a tuple or a dict as Python prints it. */
function labelsOfPython(text: string): readonly string[] | null {
  const found: [string, string][] = []
  const part = /\s*(?:(\d{1,9})\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(?:,|$)/y
  for (const inner = text.slice(1, -1).trim(); part.lastIndex < inner.length; ) {
    const [, position, single, double] = part.exec(inner) ?? []
    const label = single ?? double
    if (label === undefined) return null
    found.push([position ?? String(found.length), label.replace(/\\(.)/g, '$1')])
  }
  return inOrder(found)
}

function inOrder(entries: readonly (readonly [string, unknown])[]): readonly string[] | null {
  const byPosition = new Map(entries)
  const labels = entries.map((_, at) => byPosition.get(String(at)))
  const areLabels = labels.length > 0 && labels.every((label): label is string => typeof label === 'string' && label !== '')
  return areLabels ? labels : null
}
