import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BeeType } from '../../bees/define-bee.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { withSecrets } from '../../topology/swarm/secrets/secret-references.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { SwarmHere } from '../support/swarm-here.ts'

const registry = new BeeRegistry()
type Spec = { readonly [key: string]: unknown }

/** A swarm file, as JSON, in which the bee on line 4 has this type and this spec. */
function swarmOf({ type, role }: BeeType, spec: Spec): SwarmDocument {
  const input = role === 'gateway' ? '' : `"input": {"name": "entrance"}, `
  const lines = [
    '{"name": "one", "bees": [',
    '{"name": "entrance", "type": "gateway-input", "spec": {"name": "inputs"}},',
    '{"name": "work",',
    `"type": "${type}", ${input}"spec": ${JSON.stringify(spec)}},`,
    '{"name": "answer", "type": "respond", "input": {"name": "entrance"}}]}',
  ]
  return SwarmDocument.parse(lines.join('\n'), 'swarm.yaml')
}

/** The mistakes of the bee on line 4, as `message; next`. */
function mistakesOf(type: BeeType, spec: Spec): readonly string[] {
  try {
    checkSwarm(swarmOf(type, spec), registry)
    return []
  } catch (thrown) {
    assert.ok(thrown instanceof WaggleError && thrown.cause instanceof AggregateError, String(thrown))
    return thrown.cause.errors
      .filter(({ place }: WaggleError) => place?.startsWith('swarm.yaml:4:') === true)
      .map(({ message, next }: WaggleError) => `${message}; ${next}`)
  }
}

/** The spec with another text in place of each text, with the number of these texts. */
function withText(spec: Spec, text: string): { readonly spec: Spec; readonly count: number } {
  let count = 0
  const walk = (value: unknown): unknown => {
    if (typeof value === 'string') {
      count++
      return text
    }
    if (Array.isArray(value)) return value.map(walk)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]))
  }
  return { spec: walk(spec) as Spec, count }
}

describe('The spec of a bee', () => {
  for (const type of registry.types) {
    const spec: Spec = Object.fromEntries(Object.entries(type.examples[0] ?? {}))
    const required: readonly string[] = (type.spec as { readonly required?: readonly string[] }).required ?? []

    it(`of the type ${type.type} is refused with a key that it does not know, without a key that it needs, and with a value of another kind`, () => {
      const isAt = (said: RegExp, mistakes: readonly string[]) =>
        assert.ok(
          mistakes.some((one) => said.test(one)),
          `${said} is not in\n${mistakes.join('\n')}`,
        )
      isAt(/^unknown key nonsense; (Known keys: |did you mean |It takes no keys\.)/, mistakesOf(type, { ...spec, nonsense: 1 }))
      for (const key of required) {
        const { [key]: _, ...others } = spec
        isAt(new RegExp(`^${key} is missing; Add ${key}: `), mistakesOf(type, others))
      }
      for (const key of Object.keys(spec)) isAt(new RegExp(`^(${key}|\\d+|spec) `), mistakesOf(type, { ...spec, [key]: [[[]]] }))
    })

    const texts = withText(spec, '{{ secrets.NO_SUCH }}')
    if (texts.count > 0)
      it(`of the type ${type.type} is refused with a secret that does not exist, or that the plan would show`, () => {
        const isShown = mistakesOf(type, texts.spec).filter((mistake) => /cannot hold a secret, because the plan/.test(mistake)).length
        const document = swarmOf(type, texts.spec)
        const mistakes: WaggleError[] = []
        const secrets = { find: () => null, names: () => ['NO_SUCK'], howToSet: (name: string) => `Set WAGGLE_SECRET_${name}` }
        withSecrets(document, texts.spec, ['bees', 1, 'spec'], { secrets, schema: type.spec, mistakes })
        const isPlanned = type.role === 'gateway' || type.role === 'output'
        assert.equal(isPlanned ? isShown : mistakes.length, texts.count)
        for (const { message, next, place } of mistakes) {
          assert.match(place ?? '', /^swarm\.yaml:4:\d+$/)
          assert.equal(`${message}; ${next}`, 'there is no secret NO_SUCH; Set WAGGLE_SECRET_NO_SUCH, or did you mean NO_SUCK?')
        }
      })
  }

  it('with a secret that does not exist ends the start with the place of the name', async () => {
    const bees = `  - {name: work, type: http-call, input: {name: entrance}, spec: {url: "http://127.0.0.1:1/", headers: {x: "{{ secrets.NO_SUCH }}"}}}
  - {name: answer, type: respond, input: {name: work}}`
    await assert.rejects(SwarmHere.open({}, { bees }), /swarm\.yaml:4:\d+: there is no secret NO_SUCH; Set WAGGLE_SECRET_NO_SUCH/)
  })
})
