import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'gateway-input',
  role: 'gateway',
  summary: 'An entrance of the swarm: HTTP requests and records of the topic waggle.gateway.<name> come in here.',
  delivery: 'A request is kept in the log before any bee sees it. Its id is let through once within answers_retention.',
  spec: Type.Object(
    { name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$', description: 'The gateway’s name, as callers use it.' }) },
    { additionalProperties: false, required: ['name'] },
  ),
  examples: [{ name: 'teddybear-detector-gateway' }],
})
