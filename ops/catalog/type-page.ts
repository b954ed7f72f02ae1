import type { BeeTypeInfo } from '../../topology/swarm/bee-type.ts'
import { specFields } from '../../topology/swarm/check/spec-fields.ts'
import { beeSchema } from '../../topology/swarm/check/swarm-schema.ts'
import { type CatalogEntry, catalogEntry, exampleText, payloadText } from './catalog-entry.ts'

/** The content of `docs/bees/TYPE.md`. */
export function typePage(type: BeeTypeInfo): string {
  const entry = catalogEntry(type)
  const { aliases, summary, fields, examples, delivery } = entry
  const parts = [
    `# ${entry.type}`,
    note,
    prose(summary),
    ...(aliases.length === 0 ? [] : [`Another name: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`]),
    '## `spec`',
    fields.length === 0 ? 'It takes no keys.' : fieldTable(fields),
    ...(examples.length === 0 ? [] : [`## ${examples.length === 1 ? 'Example' : 'Examples'}`]),
    ...examples.map((spec) => `\`\`\`yaml\n${exampleText(entry, spec)}\`\`\``),
    ...payloadParts(entry),
    '## Delivery',
    prose(delivery),
  ]
  return `${parts.join('\n\n')}\n`
}

/** The content of `docs/bees/README.md`: every type with its page. */
export function typesPage(types: readonly BeeTypeInfo[]): string {
  const rows = types.map(({ type, summary }) => `| [\`${type}\`](${type}.md) | ${cell(summary)} |`)
  return `# Bee types\n\n${note}\n\n${intro}\n\n| type | does |\n| --- | --- |\n${rows.join('\n')}\n\n${common}\n`
}

const common = `## Keys of every bee\n\n${fieldTable(specFields(beeSchema).map(({ isRequired, ...field }) => ({ ...field, required: isRequired })))}`

const note = '<!-- This page is made from the definitions of the bee types by `node ops/check/bee-pages.ts --write`. -->'
const intro = `Every bee type of Waggle. \`waggle bees catalog TYPE\` prints the same on a terminal, and [swarm.schema.json](swarm.schema.json) is the JSON Schema with which an editor
completes and checks a swarm file (\`waggle schema\`).`

function payloadParts({ input, output }: CatalogEntry): readonly string[] {
  const [takes, gives] = [payloadText(input), payloadText(output)]
  if (takes === null && gives === null) return []
  const parts = [...(takes === null ? [] : [`Takes ${takes}.`]), ...(gives === null ? [] : [`Gives ${gives}.`])]
  const schemas = [input, output].filter((type) => type !== null && !('tensors' in type))
  return ['## Input and output', parts.join(' '), ...schemas.map((schema) => `\`\`\`json\n${JSON.stringify(schema)}\n\`\`\``)]
}

function fieldTable(fields: CatalogEntry['fields']): string {
  const rows = fields.map(({ name, type, required, default: fallback, description }) =>
    ['', `\`${name}\``, cell(type), required ? 'required' : defaultText(fallback), cell(description), ''].join(' | ').trim(),
  )
  return ['| key | value | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function defaultText(value: unknown): string {
  return value === undefined ? '' : `\`${JSON.stringify(value)}\``
}

function cell(text: string): string {
  return prose(text).replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** A sentence of a definition as Markdown. It escapes `<name>`, which is not an HTML tag here. */
function prose(text: string): string {
  return text.replaceAll('<', '\\<')
}
