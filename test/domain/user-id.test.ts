import { describe, expect, test } from 'vitest';
import { isUserId, toEntityId } from '../../domain/user-id.ts';

const accepted = ['a', '0', '...', 'Default', 'default.', 'a.b~c@d-e_f', '-', '@', 'x'.repeat(128)];
const refused = [
  '',
  'default',
  '.',
  '..',
  'x'.repeat(129),
  'a b',
  ' a',
  'a\n',
  'default\n',
  'a/b',
  'a,b',
  'a%2Cb',
  'a\0',
  'ä',
  'а', // Cyrillic
  'a?b',
  'a#b',
  'a:b',
  'a*b',
];

describe('a user id', () => {
  test.each(accepted)('may be %j, and the entity id is the same text', (id) => {
    expect(isUserId(id)).toBe(true);
    expect(toEntityId(id)).toBe(id);
  });
  test.each(refused)('may NOT be %j, and it never becomes an entity id', (id) => {
    expect(isUserId(id)).toBe(false);
    expect(() => toEntityId(id)).toThrow(RangeError);
  });
});
