import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'kafka-input',
  role: 'gateway',
  summary:
    'An entrance of the swarm: every record of a topic of yours is a request. The header content-type says what its value is. A CloudEvent, in either mode, is a request with its data.',
  delivery:
    'A record is a request once, by its header waggle-request-id, else by its topic, partition and offset. It is answered on the topic that its header waggle-reply-topic names, if any.',
  spec: Type.Object(
    { topic: Type.String({ pattern: '^[A-Za-z0-9._-]{1,249}$', description: 'The topic. On a cluster it must exist; embedded it is made.' }) },
    { additionalProperties: false, required: ['topic'] },
  ),
  examples: [{ topic: 'orders' }],
})
