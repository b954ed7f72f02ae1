import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { Type } from 'typebox'
import type { Secrets } from '../../../../topology/swarm/ports/secrets.ts'
import { Secret, secretText } from '../../../../topology/swarm/secrets/secret.ts'
import { withSecrets } from '../../../../topology/swarm/secrets/secret-references.ts'
import { SwarmDocument } from '../../../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'

const values: { readonly [name: string]: string } = { USER: 'ada', PASSWORD: 'pa{{ secrets.USER }}ss $& ok' }
const secrets: Secrets = {
  find: (name) => (name in values ? new Secret(values[name] ?? '') : null),
  names: () => Object.keys(values),
  howToSet: (name) => `Set ${name}`,
}
const schema = Type.Object({
  url: secretText({ description: 'An address.' }),
  headers: Type.Record(Type.String(), secretText({ description: 'A header.' })),
})

function filled(yaml: string) {
  const document = SwarmDocument.parse(yaml, 'swarm.yaml')
  const mistakes: WaggleError[] = []
  const value = withSecrets(document, document.value as { readonly [key: string]: unknown }, [], { secrets, schema, mistakes })
  return { value, mistakes: mistakes.map(({ place, message, next }) => `${place}: ${message}; ${next}`) }
}

describe('A spec with secrets', () => {
  it('gets the values in place of the names, even several in one text, and does not look for names in a value', () => {
    const { value, mistakes } = filled(
      'plain: "{{ secrets.USER }}:{{secrets.PASSWORD}}@"\nlist: ["{{ secrets.USER }}", {deep: "-{{ secrets.USER }}-"}]',
    )
    assert.deepEqual(value, { plain: 'ada:pa{{ secrets.USER }}ss $& ok@', list: ['ada', { deep: '-ada-' }] })
    assert.deepEqual(mistakes, [])
  })

  it('gets a Secret, which shows only the names, if its schema asks for one', () => {
    const { value } = filled('url: "https://{{ secrets.USER }}@host"\nheaders: {a: "{{ secrets.USER }}", b: plain}')
    const { url, headers } = value as { url: Secret; headers: { a: Secret; b: string } }
    assert.deepEqual([url.reveal(), headers.a.reveal(), headers.b], ['https://ada@host', 'ada', 'plain'])
    assert.doesNotMatch([`${url}`, JSON.stringify(value), inspect(value, { depth: 9 }), String(headers.a)].join(), /ada/)
    assert.match(JSON.stringify(value), /https:\/\/\{\{ secrets\.USER \}\}@host/)
  })

  it('is reported as a mistake at the name’s place if no secret of the name is set, and the error suggests the nearest name', () => {
    const { value, mistakes } = filled('a: 1\nurl: "x{{ secrets.PASSWORT }}{{ secrets.USER }}"')
    assert.deepEqual(mistakes, ['swarm.yaml:2:6: there is no secret PASSWORT; Set PASSWORT, or did you mean PASSWORD?'])
    assert.equal(value.url, 'x{{ secrets.PASSWORT }}{{ secrets.USER }}')
  })

  it('is reported as a mistake at the name’s place if the secret cannot be read', () => {
    const document = SwarmDocument.parse('url: "{{ secrets.USER }}"', 'swarm.yaml')
    const mistakes: WaggleError[] = []
    const find = () => {
      throw new WaggleError('WAGGLE_SECRET_UNREADABLE', { message: 'no permission', next: 'Let it.' })
    }
    withSecrets(document, document.value, [], { secrets: { ...secrets, find }, schema, mistakes })
    assert.deepEqual(
      mistakes.map(({ place, message }) => `${place}: ${message}`),
      ['swarm.yaml:1:6: no permission'],
    )
  })
})

describe('A Secret', () => {
  it('shows *** in every text that is made of it, and its value only when it is revealed', () => {
    const secret = new Secret('hunter2')
    const texts = [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [secret] }),
      String(new Error(`${secret}`)),
    ]
    for (const text of [...texts, JSON.stringify(structuredClone(secret)), Object.keys(secret).join()]) assert.doesNotMatch(text, /hunter2/)
    assert.equal(`${secret}`, '***')
    assert.equal(secret.reveal(), 'hunter2')
  })
})
