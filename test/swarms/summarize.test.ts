import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { skipWithoutPython } from '../support/python-bee.ts'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

describe('The summarize swarm', { skip: skipWithoutPython }, () => {
  it('summarizes as its README shows, keeps an abbreviation within its sentence, and refuses an input that is not text or is too long', async () => {
    await using swarm = await ShelfSwarm.run('summarize')
    await swarm.answersAsReadmeShows()
    const { body } = await swarm.request('summarize', 'Dr. J. Smith came, e.g. He spoke. "He left!" Then it rained.', 'text/plain')
    assert.equal((body as { readonly sentences: number }).sentences, 3)
    const cases: readonly (readonly [string, string])[] = [
      ['[1, 2]', 'application/json'],
      ['...', 'text/plain'],
      ['It rains. '.repeat(301), 'text/plain'],
      ['a'.repeat(200_001), 'text/plain'],
    ]
    for (const [text, type] of cases) assert.equal((await swarm.request('summarize', text, type)).status, 422, text.slice(0, 20))
  })
})
