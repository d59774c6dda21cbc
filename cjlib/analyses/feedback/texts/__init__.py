"""How a text becomes numbers: lexicon features, effort phrases, emoji, language. Shared by sentiment, themes and drivers."""
