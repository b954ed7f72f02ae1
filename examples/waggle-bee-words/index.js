import { defineBee, Refused } from 'waggle-streams'

export default defineBee({
  type: 'words',
  summary: 'Counts the words, sentences and characters of a text.',
  delivery: 'It only computes: the same text has the same counts.',
  spec: {
    type: 'object',
    properties: {
      field: {
        type: 'string',
        default: 'text',
        description: 'The field of the input that has the text. Input that is text itself is counted whole.',
      },
      locale: { type: 'string', default: 'en', description: 'The language of the text, as a BCP 47 tag.' },
    },
    additionalProperties: false,
  },
  examples: [{ field: 'text' }],
  create({ spec: { field = 'text', locale = 'en' } }) {
    const words = new Intl.Segmenter(locale, { granularity: 'word' })
    const sentences = new Intl.Segmenter(locale, { granularity: 'sentence' })
    return {
      process(input) {
        const text = typeof input === 'string' ? input : input?.[field]
        if (typeof text !== 'string') throw new Refused(`the input has no text in ${JSON.stringify(field)}`)
        return {
          words: [...words.segment(text)].filter(({ isWordLike }) => isWordLike).length,
          sentences: [...sentences.segment(text)].length,
          characters: [...text].length,
        }
      },
    }
  },
})
