import { expect, it } from 'vitest';
import { labelsAfter } from '../../src/model/labels-after.ts';

const move = { source: 'siraya', target: 'tenant_x' };

it.each([
  [['siraya'], ['tenant_x']],
  [
    ['siraya', 'Person', 'Author'],
    ['Author', 'Person', 'tenant_x'],
  ],
  [['tenant_x', 'siraya'], ['tenant_x']],
  [
    ['Siraya', 'siraya_eu'],
    ['Siraya', 'siraya_eu'],
  ],
])('a node with %j carries %j when its move is done', (before, after) => {
  expect(labelsAfter(before, move)).toEqual(after);
});
