import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { parse } from 'yaml'
import { defineBee } from '../../../bees/define-bee.ts'
import { BeeRegistry } from '../../../bees/registry.ts'
import { beePages, stalePages } from '../../../ops/check/bee-pages.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const shout = defineBee({
  type: 'shout',
  aliases: ['cry'],
  summary: 'Makes <text> loud.',
  delivery: 'Computed again.',
  spec: Type.Object({ mark: Type.Optional(Type.String({ default: '!', description: 'Ends each line: ! or |.' })) }, { additionalProperties: false }),
  examples: [{ mark: '!!' }],
  output: Type.String(),
  create: () => ({ process: (text: string) => text.toUpperCase() }),
})

describe('docs/bees/', () => {
  it('is up to date with the definitions of the bee types', () => {
    const { status, stderr } = spawnSync(process.execPath, ['ops/check/bee-pages.ts'], { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })

  it('has the summary, names, keys with defaults, examples, output and delivery of each type', () => {
    assert.equal(beePages(new BeeRegistry([shout])).get('shout.md'), page)
  })

  it('is stale if a page differs, is missing, or belongs to a removed type', () => {
    const files = new Map([...beePages(new BeeRegistry([shout]))])
    assert.deepEqual(stalePages(files, files), [])
    const changed = new Map([...files, ['shout.md', 'by hand'], ['whisper.md', 'a type of old']])
    assert.deepEqual(stalePages(files, changed), ['shout.md', 'whisper.md'])
    assert.deepEqual(stalePages(files, new Map()), ['README.md', 'shout.md', 'swarm.schema.json'])
  })

  it('is stale if the default of a key changes', () => {
    const other = { ...shout, spec: Type.Object({ mark: Type.Optional(Type.String({ default: '?' })) }) }
    assert.deepEqual(stalePages(beePages(new BeeRegistry([shout])), beePages(new BeeRegistry([other]))), ['shout.md', 'swarm.schema.json'])
  })

  it('has only examples that a swarm file may use unchanged', () => {
    const registry = new BeeRegistry()
    let examples = 0
    for (const { type, role, branches } of registry.types) {
      for (const [, yaml = ''] of (beePages(registry).get(`${type}.md`) ?? '').matchAll(/```yaml\n(.*?)```/gs)) {
        const [bee] = parse(yaml) as [Example]
        const readers = branches?.(bee.spec ?? {})?.map(({ reader }) => reader) ?? []
        const feeders = [...(bee.input?.join ?? []), ...(bee.input?.stack ?? [])].filter((name) => name !== 'another-bee' && !readers.includes(name))
        const others =
          role === 'gateway'
            ? [{ name: 'answer', type: 'respond', input: { name: bee.name } }]
            : [
                { name: 'another-bee', type: 'gateway-input', spec: { name: 'gate' } },
                ...feeders.map((name) => ({ name, type: 'tensor-rt', input: { name: 'another-bee' }, spec: { model: 'a.onnx' } })),
                ...readers.map((name) => ({ name, type: 'module', input: { name: bee.name }, spec: { file: './step.ts' } })),
                ...(role === 'loop' || role === 'cache' ? [{ name: 'answer', type: 'respond', input: { name: bee.name } }] : []),
                ...(role === 'batch'
                  ? [
                      { name: 'step', type: 'module', input: { name: bee.name }, spec: { file: './step.ts' } },
                      { name: 'answer', type: 'respond', input: { name: 'step' } },
                    ]
                  : []),
              ]
        const swarm = JSON.stringify({ name: 'example', bees: [...others, bee] })
        // Examples of routes and loops name readers that are not in the examples.
        const mistakes = mistakesIn(swarm, registry).filter((message) => !/ does not read my-| is a loop, and needs /.test(message))
        assert.deepEqual(mistakes, [], `${type}: ${yaml}`)
        examples++
      }
    }
    assert.ok(examples >= registry.types.length - 1, `${examples} examples`)
  })
})

interface Example {
  readonly name: string
  readonly input?: { readonly join?: readonly string[]; readonly stack?: readonly string[] }
  readonly spec?: { readonly [key: string]: unknown }
}

function mistakesIn(text: string, registry: BeeRegistry): readonly string[] {
  try {
    checkSwarm(SwarmDocument.parse(text, 'example.yaml'), registry)
    return []
  } catch (thrown) {
    const { cause } = thrown as { readonly cause?: unknown }
    return cause instanceof AggregateError ? cause.errors.map(({ message }: Error) => message) : [String(thrown)]
  }
}

const page = `# shout

<!-- This page is made from the definitions of the bee types by \`node ops/check/bee-pages.ts --write\`. -->

Makes \\<text> loud.

Another name: \`cry\`.

## \`spec\`

| key | value | default | meaning |
| --- | --- | --- | --- |
| \`mark\` | string | \`"!"\` | Ends each line: ! or \\|. |

## Example

\`\`\`yaml
- name: my-shout
  type: shout
  input: {name: another-bee}
  spec: {mark: "!!"}
\`\`\`

## Input and output

Gives JSON that fits the schema.

\`\`\`json
{"type":"string"}
\`\`\`

## Delivery

Computed again.
`
