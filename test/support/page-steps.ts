/** A step of a documentation page for its reader. `line` is the place in the page. */
export type PageStep =
  | PageCommands
  | { readonly kind: 'write'; readonly line: number; readonly file: string; readonly text: string }
  /** A block that shows output of the program that is running. */
  | { readonly kind: 'log'; readonly line: number; readonly shown: string }
  | { readonly kind: 'stop'; readonly line: number }

export interface PageCommands {
  readonly kind: 'run'
  readonly line: number
  readonly script: string
  /** The output that the page shows for the commands; null if it shows none. */
  readonly shown: string | null
  /** True if the page says that the output may appear a moment later. */
  readonly isEventual: boolean
}

export interface PageSection {
  readonly title: string
  readonly steps: readonly PageStep[]
}

/**
 * The steps of a page in Markdown, by its headings. A block of `sh` is run. A following block without a language is its output. If the paragraph
 * before a block says "first terminal", the block is the output of the running program. "Press Ctrl-C" stops that program. After "Within", the output
 * may appear a moment later. A block of any other language is written to a file. The paragraph before the block ends with the file's name.
 *
 * @example
 * ```ts
 * pageSections('## Look\n\n```sh\nls\n```\n') // [{ title: 'Look', steps: [{ kind: 'run', line: 3, script: 'ls', shown: null, isEventual: false }] }]
 * ```
 */
export function pageSections(markdown: string): readonly PageSection[] {
  const sections: { title: string; steps: PageStep[] }[] = []
  let steps: PageStep[] = []
  let paragraph = ''
  for (const { line, language, text } of partsOf(markdown)) {
    const heading = language === null ? /^#+ (.*)/.exec(text) : null
    if (heading !== null) {
      steps = []
      sections.push({ title: heading[1] ?? '', steps })
    } else if (language === null) {
      if (/\bPress Ctrl-C\b/.test(text)) steps.push({ kind: 'stop', line })
    } else if (language === 'sh') steps.push({ kind: 'run', line, script: text, shown: null, isEventual: /\bWithin\b/.test(paragraph) })
    else if (language !== '') steps.push({ kind: 'write', line, file: fileNamedBy(paragraph, line), text: `${text}\n` })
    else if (/\bfirst terminal\b/.test(paragraph)) steps.push({ kind: 'log', line, shown: text })
    else steps.push(printing(steps.pop(), line, text))
    paragraph = language === null ? text : ''
  }
  return sections.filter((section) => section.steps.length > 0)
}

function fileNamedBy(paragraph: string, line: number): string {
  const file = /`([^`\s]+)`[^`]*:\s*$/.exec(paragraph)?.[1]
  if (file === undefined) throw new Error(`Line ${line}: the paragraph before this block does not end with a file’s name`)
  return file
}

function printing(step: PageStep | undefined, line: number, shown: string): PageStep {
  if (step?.kind !== 'run' || step.shown !== null) throw new Error(`Line ${line}: no command before this block prints it`)
  return { ...step, shown }
}

interface Part {
  readonly line: number
  /** The language of a block; null for a paragraph and for a heading. */
  readonly language: string | null
  readonly text: string
}

function partsOf(markdown: string): readonly Part[] {
  const parts: Part[] = []
  let [from, language, lines]: [number, string | null, string[]] = [1, null, []]
  const begin = (line: number, next: string | null) => {
    if (language !== null || lines.length > 0) parts.push({ line: from, language, text: lines.join('\n') })
    ;[from, language, lines] = [line, next, []]
  }
  for (const [at, text] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)/.exec(text)
    if (fence !== null) begin(at + 1, language === null ? (fence[1] ?? '') : null)
    else if (text === '' && language === null) begin(at + 2, null)
    else lines.push(text)
  }
  begin(0, null)
  return parts
}
