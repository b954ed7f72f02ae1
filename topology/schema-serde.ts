import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Serde } from './serde.ts'
import { WaggleError } from './waggle-error.ts'

/** JSON that is checked against a schema when it is written and when it is read. */
export function schemaSerde(schema: TSchema, json: Serde<unknown>): Serde<unknown> {
  const compiled = Compile(schema)
  const checked = (topic: string, value: unknown) => {
    if (compiled.Check(value)) return value
    const [first] = [...compiled.Errors(value)]
    const place = first === undefined || first.instancePath === '' ? 'It' : first.instancePath
    throw new WaggleError('WAGGLE_INVALID_VALUE', {
      message: `A value of ${topic} does not fit its schema: ${place} ${first?.message ?? 'is wrong'}`,
      next: 'Correct the value, or the schema.',
    })
  }
  return {
    serialize: (topic, value) => json.serialize(topic, checked(topic, value)),
    deserialize: (topic, data) => checked(topic, json.deserialize(topic, data)),
  }
}
