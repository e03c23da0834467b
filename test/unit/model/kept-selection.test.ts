import { expect, it } from 'vitest';
import { keptSelection } from '../../../src/model/kept-selection.ts';

const all = {
  'skip-config': false,
  'skip-redis': false,
  'skip-qdrant': false,
  'skip-memgraph': false,
  'skip-graph': false,
  only: [],
};

it('a stage that a resume leaves out stays one of the run’s', () => {
  expect(keptSelection(all, { ...all, 'skip-qdrant': true })).toEqual(all);
  expect(keptSelection(all, { ...all, only: ['redis'] })).toEqual(all);
  expect(keptSelection({ ...all, only: ['redis', 'qdrant'] }, { ...all, only: ['redis'] })).toEqual({
    ...all,
    only: ['redis', 'qdrant'],
  });
});

it('a stage that a resume takes in becomes one of the run’s', () => {
  expect(keptSelection({ ...all, 'skip-config': true }, all)).toEqual(all);
  expect(keptSelection({ ...all, only: ['redis'] }, { ...all, only: ['graph'] })).toEqual({
    ...all,
    only: ['redis', 'graph'],
  });
});

it('a stage that was left out and is left out stays so', () => {
  const without = { ...all, 'skip-config': true };
  expect(keptSelection(without, without)).toEqual(without);
});
