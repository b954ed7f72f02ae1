import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

describe('The nlp-inference swarm', () => {
  it('names the languages of texts as its README shows, even of several texts at a time, and refuses a text of a few bytes', async () => {
    await using swarm = await ShelfSwarm.run('nlp-inference')
    await swarm.answersAsReadmeShows()
    const texts: readonly (readonly [string, string])[] = [
      ['python', 'import sys\n\ndef main(argv):\n    for name in argv[1:]:\n        print(f"Hello, {name}")\n\nmain(sys.argv)\n'],
      ['html', '<!DOCTYPE html>\n<html><head><title>Bees</title></head><body><h1>Bees</h1><p>They dance.</p></body></html>\n'],
      ['json', '{"name": "bear", "kind": "teddy", "scores": {"bear": 0.1, "teddy": 0.9}, "models": ["a", "b"]}\n'],
      // More text than the tokens can hold, with white space around it.
      ['csv', `\n\n  date,value\n${Array.from({ length: 400 }, (_, at) => `2026-01-01,${at}`).join('\n')}\n\n`],
    ]
    const answers = await Promise.all(texts.map(([, text]) => swarm.request('language', JSON.stringify({ text }))))
    assert.deepEqual(
      answers.map(({ body }) => (body as { readonly language: string }).language),
      texts.map(([language]) => language),
    )
    for (const text of ['short', `${' '.repeat(20)}short`]) assert.equal((await swarm.request('language', text, 'text/plain')).status, 422)
  })
})
