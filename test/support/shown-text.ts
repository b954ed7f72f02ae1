import assert from 'node:assert/strict'

/**
 * Compares a text that a page shows with the output of this run. `…` stands for any text in a line; alone on a line, it stands for any lines. Ids and
 * times of the page stand for ids and times of this run. The first use of an id shows its value in this run, and commands with the id get this value.
 */
export class ShownText {
  /** For each id or time of the page, the id or time of this run. */
  readonly #real = new Map<string, string>()

  learn(shown: string, real: string): void {
    this.#real.set(shown, real)
  }

  /** The text with this run's values instead of the page's ids. */
  real(text: string): string {
    let real = text
    for (const [shown, mine] of this.#real) real = real.replaceAll(shown, mine)
    return real
  }

  isIn(printed: string, shown: string): boolean {
    return this.#pattern(shown).expression.test(printed)
  }

  /** Fails if `shown` is not in the output. Remembers the values of ids. */
  find(printed: string, shown: string): void {
    const { expression, ids } = this.#pattern(shown)
    const found = expression.exec(printed)
    assert.ok(found !== null, `The page shows:\n${shown}\n\nThis was printed:\n${printed}`)
    for (const [at, id] of ids.entries()) this.learn(id, found[at + 1] ?? '')
  }

  #pattern(shown: string): { readonly expression: RegExp; readonly ids: readonly string[] } {
    const ids: string[] = []
    const mine = new Set(this.#real.values())
    const source = this.real(shown)
      .split(variable)
      .map((part) => {
        if (part === '\n…\n') return '\\n(?:.*\\n)*'
        if (part === '…') return '.*'
        if (new RegExp(`^${time}$`).test(part)) return time
        const kind = [uuid, letter].find((pattern) => new RegExp(`^${pattern}$`).test(part))
        if (kind === undefined || mine.has(part)) return part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
        ids.push(part)
        return `(${kind})`
      })
      .join('')
    return { expression: new RegExp(`^${source}$`, 'm'), ids }
  }
}

const time = /\d{4}-\d\d-\d\dT[\d:.]+Z/.source
const uuid = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/.source
/** The id of a dead letter. */
const letter = /(?<!\S)[\w-]+:\d+:\d+(?!\S)/.source
/** Divides a text into the parts that differ between runs, and the parts that do not. */
const variable = new RegExp(`(\\n…\\n|…|${time}|${uuid}|${letter})`)
