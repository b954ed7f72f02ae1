import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'kafka-output',
  role: 'output',
  summary: 'Writes what it is given to a topic of yours, by request id; errors are left out.',
  delivery: 'Written in the same commit as everything else that follows from its input: once where processing is exactly_once, else at least once.',
  spec: Type.Object(
    {
      topic: Type.String({ pattern: '^[A-Za-z0-9._-]{1,249}$', description: 'The topic. On a cluster it must exist; embedded it is made.' }),
      event_type: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 255,
          description: 'The type of a CloudEvent. Each record is such an event. Default: records are no events.',
        }),
      ),
      event_mode: Type.Optional(
        Type.Union([Type.Literal('binary'), Type.Literal('structured')], {
          default: 'binary',
          description: 'binary: the attributes of an event are headers. structured: the value has all of the event, as JSON.',
        }),
      ),
    },
    { additionalProperties: false, required: ['topic'] },
  ),
  examples: [{ topic: 'decisions' }, { topic: 'decisions', event_type: 'org.example.decided' }],
})
