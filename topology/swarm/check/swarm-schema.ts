import { type TSchema, Type } from 'typebox'
import type { BeeCatalog } from '../bee-type.ts'

const strict = { additionalProperties: false }
const beeName = Type.String({ description: 'A bee of this swarm.' })

/** The schema of one bee, whatever its type. */
export const beeSchema: TSchema = Type.Object(
  {
    name: Type.String({ description: 'Lower-case letters, digits and "-". Its output goes to the topic waggle.<swarm>.<name>.' }),
    type: Type.String({ description: 'A bee type: see `waggle bees catalog`.' }),
    input: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(beeName),
          join: Type.Optional(Type.Array(beeName, { minItems: 2, description: 'Wait for all, then send all of them on as one.' })),
          stack: Type.Optional(Type.Array(beeName, { minItems: 1, description: 'Send each on as soon as it comes.' })),
        },
        { ...strict, minProperties: 1, maxProperties: 1, description: 'Where its input comes from: one of name, join, stack.' },
      ),
    ),
    spec: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'Settings of the bee type.' })),
    gpu: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: 'GPUs that one instance uses.' })),
    replicas: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        default: 1,
        description: 'Containers, processes or threads that do the bee’s work side by side, in each process of Waggle.',
      }),
    ),
    max_replicas: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'While requests wait, up to so many replicas, as long as one more helps. Default: as many as replicas.',
      }),
    ),
    timeout_seconds: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 86400,
        description: 'Of one call; of a bee that joins or merges, how long it waits for its inputs (30).',
      }),
    ),
    on_timeout: Type.Optional(
      Type.Enum(['fail', 'partial'], { default: 'fail', description: 'Of a bee that joins: fail the request, or go on with what is there.' }),
    ),
    on_error: Type.Optional(
      Type.Enum(['fail', 'skip'], {
        default: 'fail',
        description: 'Of a bee that joins or merges: fail where an input failed, or go on without it.',
      }),
    ),
  },
  { ...strict, required: ['name', 'type'] },
)

/** The schema of a swarm file, without the `spec` schemas of the bee types. */
export const swarmSchema: TSchema = Type.Object(
  { name: Type.String({ description: 'The swarm’s name.' }), bees: Type.Array(beeSchema, { minItems: 1 }) },
  { ...strict, required: ['name', 'bees'] },
)

/** One JSON Schema (2020-12) for editors, with the `spec` schemas of all bee types. */
export function editorSchema(catalog: BeeCatalog): object {
  const base = structuredClone(swarmSchema) as unknown as { properties: { bees: { items: { properties: { type: object }; allOf?: object[] } } } }
  const items = base.properties.bees.items
  const names = catalog.types.flatMap((type) => [type.type, ...type.aliases])
  items.properties.type = { ...items.properties.type, enum: names }
  items.allOf = catalog.types.map((type) => ({
    if: { properties: { type: { enum: [type.type, ...type.aliases] } }, required: ['type'] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own keyword
    then: { properties: { spec: { ...type.spec, description: type.summary } } },
  }))
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'Waggle swarm', ...base }
}
