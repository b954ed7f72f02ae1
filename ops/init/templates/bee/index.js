import { defineBee, Refused } from 'waggle-streams'

/** The keys of `spec` in a swarm file, as JSON Schema. `waggle validate` checks these keys, and `waggle bees catalog {{type}}` prints them. */
const spec = {
  type: 'object',
  properties: {
    greeting: { type: 'string', default: 'Hello', description: 'The word before the name.' },
  },
  additionalProperties: false,
}

export default defineBee({
  type: '{{type}}',
  summary: 'Greets the name in its input.',
  delivery: 'It only computes: the same input has the same result.',
  spec,
  examples: [{ greeting: 'Hello' }],
  create({ spec: { greeting = 'Hello' } }) {
    return {
      process(input) {
        if (typeof input?.name !== 'string') throw new Refused('the input has no name')
        return { text: `${greeting}, ${input.name}!` }
      },
    }
  },
})
