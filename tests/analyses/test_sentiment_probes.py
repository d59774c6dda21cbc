"""Probes written for this test alone: kinds of sentences that a scorer is known to fail on, each with the floor it must keep.

None of them is a rule of the scorer or a text it was trained on. Sarcasm is not supported: nothing is asked of it.
"""

from __future__ import annotations

import pytest

import cjlib as cj

COMPLAINTS = """My parcel was due on Monday and today is Thursday
The technician did not show up between eight and twelve
I have written to you five times since March
Nobody picks up when I dial the service line
The invoice lists a device that I never had
You took the fee from my account twice in June
The call was cut off after half an hour in the queue
The website signs me out at every click
Two of the six plates came in pieces
I was given a seat next to the toilet although I had booked the front row
After the update the scanner cannot be found any more
I ordered black and got brown
The contract was renewed without asking me
My luggage is in another town since yesterday
I had to explain the matter to three departments
The heating has been off for nine days
The refund you announced in April has not been paid
Our internet drops every evening
The zip came off on the first day
The form refuses my postcode
We waited on the plane for two hours before it left
The voucher code is rejected at the till
The replacement has the same crack as the first one
My name is still spelt wrong on the card after three requests
The delivery was left in the rain in front of the gate
I cannot reach anyone in the branch
The shop sent me home without the spare part
The price rose by a third without notice
The lift has been out of order since Christmas
I was told to call back on Friday and on Friday I was told the same
The app closes itself as soon as I want to pay
The key did not fit the door of the rental car
The room had not been cleaned when we arrived
My cancellation was never confirmed
The washing machine leaks again, for the third time
You disconnected the wrong number
The appointment was moved four times
The tracking number shows nothing for a week
The sleeves are of different length
I paid for express and it took ten days""".splitlines()
NEUTRAL = """Which documents do I need for the application?
I ordered two chairs and a table last week
Do you fly to Lisbon on Sundays?
My customer number ends in 44
The shop is opposite the station
How can I change my address?
I use the app on a tablet
We booked for four people in May
Is the blue one available in size 40?
The package has three parts
I am a customer since 2015
When does the branch open on Saturday?
Please send the invoice to my office
The meeting is at ten on Tuesday
My tariff includes 5 gigabytes
I bought the shoes for my brother
What is the weight limit for hand luggage?
The box is made of cardboard
He picked up the car at the airport
Can the date be moved to next month?""".splitlines()
NEGATED = [
    ("The staff were not friendly at all", "negative"), ("I am not happy with the result", "negative"), ("This was not a good experience", "negative"),
    ("I would not recommend it to anyone", "negative"), ("The food is not worth the money", "negative"), ("It never works the way it should", "negative"),
    ("The service isn't helpful", "negative"), ("I don't like the new layout", "negative"), ("Not a pleasant stay", "negative"),
    ("They didn't care about my problem", "negative"), ("Nothing about it was easy", "negative"), ("The seat wasn't comfortable", "negative"),
    ("I can't say anything nice about the visit", "negative"), ("Neither fast nor reliable", "negative"), ("No problems at all, all went well", "positive"),
    ("I couldn't be happier with it", "positive"), ("Not bad at all, I like it", "positive"), ("Never had a problem, great company", "positive"),
    ("You can't go wrong with this one, love it", "positive"), ("No complaints, very good service", "positive"),
]  # fmt: skip
FACES = [
    ("The order is here 😍", "positive"), ("My parcel 😡", "negative"), ("On the way home 😊", "positive"), ("Third try 🤬", "negative"), ("The bill 👎", "negative"),
    ("The new store 👍", "positive"), ("Flight tonight 🎉", "positive"), ("Waiting room 😤", "negative"), ("Your reply 🙏❤️", "positive"), ("The update 😭", "negative"),
    ("Your prices 😞", "negative"), ("The coffee here 🥰", "positive"), ("Seat 14C 🤮", "negative"), ("My new phone 🤩", "positive"), ("Monday, again on the line 🙄", "negative"),
    ("Got the ticket :)", "positive"), ("No seats left :(", "negative"), ("Picked it up today 😀", "positive"), ("The hotline 💩", "negative"), ("The crew 👏👏", "positive"),
]  # fmt: skip


def right(texts: list[str], labels: list[str]) -> int:
    given = cj.score_texts(texts).table["label"].fillna("none")
    return sum(one == other for one, other in zip(given, labels, strict=True))


def test_most_complaints_without_a_sentiment_word_are_heard():
    assert right(COMPLAINTS, ["negative"] * 40) >= 22


def test_most_statements_and_questions_stay_neutral():
    assert right(NEUTRAL, ["neutral"] * 20) >= 15


@pytest.mark.parametrize(
    ("probes", "floor"), [(NEGATED, 14), (FACES, 16)], ids=["negation", "emoji"]
)
def test_negation_and_faces_turn_a_text(probes, floor):
    texts, labels = zip(*probes, strict=True)
    assert right(list(texts), list(labels)) >= floor
